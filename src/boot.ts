/*
 * The first script of the installed program. It loads the others, each of which is a bundle beside it, with the code
 * that V8 compiled at an earlier start: compiling what a command needs anew takes longer than the command itself.
 */
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';
import { xdgFolder } from './core/util/xdg.ts';

declare const __dirname: string;
/** Node's own, as every CommonJS script has it. */
declare const require: (id: string) => unknown;
/** Digest of all bundles of this build: V8 tells one source from another by its length alone. */
declare const BUILD_ID: string;

/** A process that does not end soon keeps what it compiled after this long. */
const KEEP_AFTER_MS = 3_000;

const OLD_MS = 30 * 24 * 60 * 60 * 1_000;

type Wrapper = (
  exports: object,
  require: (id: string) => unknown,
  module: object,
  filename: string,
  dirname: string,
) => void;

const cacheDir = join(
  xdgFolder('CACHE', process.env, homedir()) ?? '/.cache',
  'setpoint',
  `${BUILD_ID}-${process.version}-${process.arch}`,
);
/** Node's own switch for its own cache of this kind. */
const enabled = process.env['NODE_DISABLE_COMPILE_CACHE'] === undefined;
const loaded = new Map<string, unknown>();

function load(name: string): unknown {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const filename = join(__dirname, name);
  const cacheFile = join(cacheDir, `${name}.v8`);
  const cachedData = enabled ? readIfOurs(cacheFile) : undefined;
  const source = readFileSync(filename, 'utf8');
  const script = new Script(`(function(exports,require,module,__filename,__dirname){${source}\n})`, {
    filename,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  const module = { exports: {} };
  loaded.set(name, module.exports);
  const run = script.runInThisContext() as Wrapper;
  run(
    module.exports,
    (id) => (id.startsWith('./') ? load(id.slice(2)) : require(id)),
    module,
    filename,
    __dirname,
  );
  loaded.set(name, module.exports);
  if (enabled && (cachedData === undefined || script.cachedDataRejected === true))
    keepLater(script, cacheFile);
  return module.exports;
}

/** Compiled code is run as it is, so it has to be ours, and nobody else's to write. */
function readIfOurs(path: string): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const { uid, mode } = fstatSync(fd);
    return uid === process.getuid?.() && (mode & 0o022) === 0 ? readFileSync(fd) : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Of builds that are not started any more. */
function removeOldBuilds(): void {
  const all = dirname(cacheDir);
  for (const entry of readdirSync(all)) {
    // Other things are kept here as well, such as the environments of Nix shells.
    if (!/-v\d/.test(entry)) continue;
    const folder = join(all, entry);
    if (folder !== cacheDir && Date.now() - statSync(folder).mtimeMs > OLD_MS)
      rmSync(folder, { recursive: true });
  }
}

/** After the work is done, so that the functions that the work needed are among what is kept. */
function keepLater(script: Script, path: string): void {
  const keep = (): void => {
    clearTimeout(timer);
    process.removeListener('exit', keep);
    const draft = `${path}.${process.pid}`;
    try {
      mkdirSync(cacheDir, { recursive: true, mode: 0o700 });
      writeFileSync(draft, script.createCachedData(), { mode: 0o600 });
      renameSync(draft, path);
      removeOldBuilds();
    } catch {
      // Without a cache everything works, only slower to start.
    }
  };
  const timer = setTimeout(keep, KEEP_AFTER_MS);
  timer.unref();
  process.once('exit', keep);
}

load('main.cjs');
