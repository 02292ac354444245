import { renameSync, writeFileSync } from 'node:fs';
import process from 'node:process';

/** Never a half-written file: a test run beside this one may be reading it. */
export function writeWhole(path, text) {
  writeFileSync(`${path}.${process.pid}`, text);
  renameSync(`${path}.${process.pid}`, path);
}
