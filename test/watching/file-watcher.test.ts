import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileWatcher } from '../../src/watching/file-watcher.ts';
import { eventually } from '../rig/wait.ts';

let dir: string;
let stops: (() => void)[];
/** Every path that was told, relative to `dir`: of late, and ever. */
let seen: string[];
let all: string[];
let failures: string[];

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'setpoint-watch-')));
  stops = [];
  seen = [];
  all = [];
  failures = [];
});

afterEach(() => {
  for (const stop of stops) stop();
  rmSync(dir, { recursive: true, force: true });
});

const at = (path: string): string => join(dir, path);

function write(path: string, text = String(Math.random())): void {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), text);
}

function watch(
  paths: readonly string[],
  ignore: readonly string[] = [],
  never: readonly string[] = [],
): () => void {
  const stop = createFileWatcher({ never: never.map(at) }).watch(
    { paths: paths.map(at), ignore },
    (changed) => {
      const paths = changed.map((path) => path.slice(dir.length + 1));
      seen.push(...paths);
      all.push(...paths);
    },
    (reason) => failures.push(reason),
  );
  stops.push(stop);
  return stop;
}

async function until(path: string): Promise<void> {
  await eventually(`${path} is told as changed`, () => seen.includes(path));
}

/** Writes a file again and again until it is told: then all around it is watched. */
async function armed(probe: string): Promise<void> {
  await eventually(`${probe} is watched`, () => {
    if (seen.includes(probe)) return true;
    write(probe);
    return false;
  });
  await quiet();
}

/** Waits until what was done so far has been told, which is seen by nothing more being told. */
async function quiet(): Promise<void> {
  for (let before = -1; before !== seen.length;) {
    before = seen.length;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  seen.length = 0;
}

const SAVES: Readonly<Record<string, (path: string) => void>> = {
  'in place': (path) => write(path),
  'by renaming over it': (path) => {
    write(`${path}.new`);
    renameSync(at(`${path}.new`), at(path));
  },
  'with a backup': (path) => {
    renameSync(at(path), at(`${path}~`));
    write(path);
  },
  'by removing and making it': (path) => {
    unlinkSync(at(path));
    write(path);
  },
  'by turning a link': (path) => {
    const target = `version-${Math.random()}`;
    write(target);
    symlinkSync(at(target), at(`${path}.link`));
    renameSync(at(`${path}.link`), at(path));
  },
};

describe('a watched file', () => {
  for (const [how, save] of Object.entries(SAVES)) {
    it(`is told each time it is saved ${how}`, async () => {
      write('app.conf');
      watch(['app.conf']);
      await armed('app.conf');
      for (let i = 0; i < 4; i += 1) {
        save('app.conf');
        await until('app.conf');
        await quiet();
      }
      write('other.conf');
      save('app.conf');
      await until('app.conf');
      expect(new Set(seen)).toEqual(new Set(['app.conf']));
      expect(failures).toEqual([]);
    });
  }

  it('is told when it is removed, and when it is there again', async () => {
    write('app.conf');
    watch(['app.conf']);
    await armed('app.conf');
    unlinkSync(at('app.conf'));
    await until('app.conf');
    await quiet();
    write('app.conf');
    await until('app.conf');
  });

  it('is seen once it exists, however many folders above it are missing', async () => {
    write('other/x');
    watch(['deep/er/app.conf', 'other/x']);
    await armed('other/x');
    mkdirSync(at('deep'));
    await quiet();
    write('deep/er/app.conf');
    await until('deep/er/app.conf');
    await quiet();
    rmSync(at('deep'), { recursive: true });
    await until('deep/er/app.conf');
    await quiet();
    write('deep/er/app.conf');
    await until('deep/er/app.conf');
  });

  it('is told when what its links lead to changes, or one of them is turned', async () => {
    write('v1/app.conf');
    write('v2/app.conf');
    symlinkSync('v1', at('current'));
    symlinkSync('current/app.conf', at('app.conf'));
    watch(['app.conf']);
    await armed('app.conf');
    write('v1/app.conf');
    await until('app.conf');
    await quiet();
    symlinkSync('v2', at('next'));
    renameSync(at('next'), at('current'));
    await until('app.conf');
    await quiet();
    write('v1/app.conf');
    write('v2/app.conf');
    await until('app.conf');
  });

  it('that is a link to itself is missing', async () => {
    symlinkSync('loop', at('loop'));
    write('other');
    watch(['loop', 'other']);
    await armed('other');
    unlinkSync(at('loop'));
    write('loop');
    await until('loop');
    expect(failures).toEqual([]);
  });
});

describe('a watched folder', () => {
  for (const [how, save] of Object.entries(SAVES)) {
    it(`tells each time a file in it is saved ${how}`, async () => {
      write('src/deep/a.ts');
      watch(['src']);
      await armed('src/deep/a.ts');
      for (let i = 0; i < 3; i += 1) {
        save('src/deep/a.ts');
        await until('src/deep/a.ts');
        await quiet();
      }
      expect(failures).toEqual([]);
    });
  }

  it('tells what is added and removed, folders with what is in them', async () => {
    write('src/a.ts');
    watch(['src']);
    await armed('src/a.ts');
    write('src/x/y/b.ts');
    await until('src/x/y/b.ts');
    await quiet();
    write('src/x/y/b.ts');
    await until('src/x/y/b.ts');
    await quiet();
    rmSync(at('src/x'), { recursive: true });
    await until('src/x/y/b.ts');
    await quiet();
    write('elsewhere/moved/c.ts');
    renameSync(at('elsewhere/moved'), at('src/moved'));
    await until('src/moved/c.ts');
  });

  it('leaves out what is ignored, at any depth, with all that is in it', async () => {
    write('src/a.ts');
    write('src/node_modules/lib/index.js');
    watch(['src'], ['node_modules', '*.log', 'gen/', '/top'], ['src/state']);
    await armed('src/a.ts');
    write('src/node_modules/lib/index.js');
    write('src/deep/node_modules/x.js');
    write('src/deep/a.log');
    write('src/deep/gen/a.ts');
    write('src/top');
    write('src/state/run.json');
    write('src/deep/top');
    await until('src/deep/top');
    await quiet();
    write('src/deep/gen/a.ts');
    write('src/state/run.json');
    write('src/a.ts');
    await until('src/a.ts');
    expect(seen.filter((path) => !/^src\/(a\.ts|deep|deep\/top)$/.test(path))).toEqual([]);
  });

  it('tells of no file that was there for a moment only, and of no socket', async () => {
    write('src/a.ts');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(at('src/old.sock'), resolve));
    watch(['src']);
    await armed('src/a.ts');
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(at('src/new.sock'), resolve));
    await new Promise((resolve) => other.close(resolve));
    await new Promise((resolve) => server.close(resolve));
    write('src/a.ts.tmp');
    renameSync(at('src/a.ts.tmp'), at('src/a.ts'));
    await until('src/a.ts');
    await quiet();
    unlinkSync(at('src/a.ts'));
    await until('src/a.ts');
    expect(new Set(all)).toEqual(new Set(['src/a.ts']));
  });

  it('says what it may not look into, and tells of the rest', async (context) => {
    if (process.getuid?.() === 0) context.skip('root may look into everything');
    write('src/secret/a.ts');
    write('src/b.ts');
    chmodSync(at('src/secret'), 0);
    watch(['src']);
    await armed('src/b.ts');
    expect(failures).toEqual([
      `cannot watch ${at('src/secret')}: permission denied, so changes there will go unseen. ` +
        'Let its owner allow reading it, or add it to `watch.ignore`',
    ]);
    chmodSync(at('src/secret'), 0o700);
  });

  it('goes on when it is removed and made again, or replaced', async () => {
    write('src/a.ts');
    watch(['src']);
    await armed('src/a.ts');
    for (let i = 0; i < 2; i += 1) {
      rmSync(at('src'), { recursive: true });
      await until('src');
      await quiet();
      write('src/b.ts');
      await until('src');
      seen.length = 0;
      await armed('src/b.ts');
      rmSync(at('src'), { recursive: true });
      write('src/c.ts');
      await until('src');
      await armed('src/c.ts');
    }
    renameSync(at('src'), at('old'));
    write('src/d.ts');
    await until('src');
    await armed('src/d.ts');
    write('old/c.ts');
    await quiet();
    expect(failures).toEqual([]);
  });

  it('is seen once it exists', async () => {
    watch(['not/yet', 'probe']);
    await armed('probe');
    write('not/yet/a.ts');
    await until('not/yet');
    await armed('not/yet/a.ts');
  });

  it('goes on when the link that it is leads elsewhere', async () => {
    write('v1/a.ts');
    write('v2/a.ts');
    symlinkSync('v1', at('current'));
    watch(['current']);
    await armed('current/a.ts');
    symlinkSync('v2', at('next'));
    renameSync(at('next'), at('current'));
    await until('current');
    await armed('current/a.ts');
    write('v1/a.ts');
    await quiet();
    write('v2/a.ts');
    await until('current/a.ts');
  });

  it('follows links in it, also when they are turned', async () => {
    write('v1/a.ts');
    write('v2/a.ts');
    write('src/x.ts');
    symlinkSync('../v1', at('src/lib'));
    watch(['src']);
    await armed('src/x.ts');
    write('v1/a.ts');
    await until('src/lib/a.ts');
    await quiet();
    symlinkSync('../v2', at('src/next'));
    renameSync(at('src/next'), at('src/lib'));
    await until('src/lib');
    await quiet();
    write('v2/a.ts');
    await until('src/lib/a.ts');
  });

  it('does not follow links in circles', async () => {
    write('src/x.ts');
    write('out/y.ts');
    for (const name of ['one', 'two', 'three']) symlinkSync('.', at(`src/${name}`));
    symlinkSync('../..', at('src/up'));
    symlinkSync('../out', at('src/out'));
    symlinkSync('../src', at('out/back'));
    symlinkSync('.', at('out/self'));
    watch(['src']);
    await armed('src/x.ts');
    write('src/x.ts');
    write('out/y.ts');
    await until('src/out/y.ts');
    expect(new Set(seen)).toEqual(new Set(['src/x.ts', 'src/out/y.ts']));
    expect(failures).toEqual([]);
  });

  it('says nothing any more once it is stopped', async () => {
    write('src/a.ts');
    const stop = watch(['src', 'src/a.ts']);
    await armed('src/a.ts');
    write('src/a.ts');
    stop();
    write('src/a.ts');
    rmSync(at('src'), { recursive: true });
    watch(['other']);
    await eventually('the other watch tells something', () => {
      write('other');
      return seen.includes('other');
    });
    expect(new Set(seen)).toEqual(new Set(['other']));
  });
});

describe('what watching costs', () => {
  it.skipIf(process.platform !== 'linux')('no watch for what is ignored, and none that is left', async () => {
    write('src/a.ts');
    for (let i = 0; i < 300; i += 1) write(`src/node_modules/lib-${i % 20}/file-${i}.js`);
    const before = kernelWatches();
    const stop = watch(['src'], ['node_modules']);
    await armed('src/a.ts');
    expect(kernelWatches() - before).toBeLessThanOrEqual(4);
    stop();
    await eventually('all watches are gone', () => kernelWatches() === before);
  });
});

/** How many inotify(7) watches this process has. */
function kernelWatches(): number {
  const fds = readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:inotify';
    } catch {
      return false;
    }
  });
  const lines = fds.flatMap((fd) => readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').split('\n'));
  return lines.filter((line) => line.startsWith('inotify ')).length;
}
