// Appends numbered lines to a file as fast as it can: `node log-writer.mjs <file> <lines> [<lines a write>]`.
import { closeSync, constants, openSync, writeSync } from 'node:fs';

const [file = '', lines = '0', batch = '1'] = process.argv.slice(2);
const descriptor = openSync(file, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o600);
for (let next = 0; next < Number(lines);) {
  let text = '';
  const end = Math.min(Number(lines), next + Number(batch));
  for (; next < end; next += 1) text += `${String(next).padStart(9, '0')} ${'x'.repeat(next % 90)}\n`;
  writeSync(descriptor, text);
}
closeSync(descriptor);
