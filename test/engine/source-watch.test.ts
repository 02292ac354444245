import { beforeEach, describe, expect, it } from 'vitest';
import type { WatchSpec } from '../../src/core/service.ts';
import { SourceWatch } from '../../src/engine/instance/source-watch.ts';
import type { FileWatcher } from '../../src/ports/file-watcher.ts';
import { FakeClock } from '../rig/fake-clock.ts';

interface Watched {
  readonly paths: readonly string[];
  readonly ignore: readonly string[];
  readonly changed: (paths: readonly string[]) => void;
  readonly failed: (reason: string) => void;
  ended: boolean;
}

const SPEC: WatchSpec = {
  paths: ['/app/src', '/app/src/lib', '/app/config.json'],
  ignore: ['*.tmp'],
  debounceMs: 300,
  action: { kind: 'restart' },
};

let clock: FakeClock;
let watch: SourceWatch;
let watches: Watched[];
let acts: string[];
let warnings: string[];

const watcher: FileWatcher = {
  watch({ paths, ignore }, changed, failed) {
    const watched: Watched = { paths, ignore, changed, failed, ended: false };
    watches.push(watched);
    return () => (watched.ended = true);
  },
};

beforeEach(() => {
  clock = new FakeClock();
  watches = [];
  acts = [];
  warnings = [];
  watch = new SourceWatch(
    { clock, watcher },
    {
      act: ({ paths, more }, action) => {
        const what = action.kind === 'signal' ? action.signal : 'restart';
        acts.push(`${clock.now()} ${what} ${paths.join(' ')}${more === 0 ? '' : ` +${more}`}`);
      },
      warn: (message) => warnings.push(message),
    },
  );
  watch.set(SPEC);
});

function change(...paths: string[]): void {
  watches.at(-1)!.changed(paths);
}

describe('a source watch', () => {
  it('acts once for changes that follow each other', async () => {
    for (const name of ['a', 'b', 'a']) {
      change(`/app/src/${name}.ts`);
      await clock.pass(200);
    }
    await clock.pass(1_000);
    expect(acts).toEqual(['700 restart a.ts b.ts']);
  });

  it('does not wait for ever where changes never end', async () => {
    for (let i = 0; i < 50; i += 1) {
      change('/app/src/a.ts');
      await clock.pass(100);
    }
    expect(acts).toEqual(['3000 restart a.ts']);
  });

  it('acts at once, yet not from within, without a debounce', async () => {
    watch.set({ ...SPEC, debounceMs: 0 });
    change('/app/src/a.ts');
    expect(acts).toEqual([]);
    await clock.pass(0);
    expect(acts).toEqual(['0 restart a.ts']);
  });

  it('names three paths from the nearest watched folder on and counts the rest', async () => {
    change('/app/src/deep/a.ts', '/app/src/lib/b.ts', '/app/config.json', '/app/src/c.ts', '/app/src/d.ts');
    change('/elsewhere/e');
    await clock.pass(300);
    expect(acts).toEqual(['300 restart deep/a.ts b.ts config.json +3']);
  });

  it('names what is outside all watched folders in full', async () => {
    change('/app/srcs/e');
    await clock.pass(300);
    expect(acts).toEqual(['300 restart /app/srcs/e']);
  });

  it('counts beyond what it keeps', async () => {
    change(...Array.from({ length: 1_500 }, (_, i) => `/app/src/${i}`));
    await clock.pass(300);
    expect(acts).toEqual(['300 restart 0 1 2 +1497']);
  });

  it('hands on the action it has at that time', async () => {
    change('/app/src/a.ts');
    watch.set({ ...SPEC, action: { kind: 'signal', signal: 'SIGHUP' } });
    await clock.pass(300);
    expect(acts).toEqual(['300 SIGHUP a.ts']);
    expect(watches).toHaveLength(1);
  });

  it('has what nobody edits ignored besides what it is told to', () => {
    expect(watches[0]!.ignore).toEqual(
      expect.arrayContaining(['.git', 'node_modules', '.venv', '*~', '*.pyc', '*.tmp']),
    );
    expect(watches[0]!.ignore).not.toContain('dist');
    expect(watches[0]!.ignore.at(-1)).toBe('*.tmp');
  });

  it('watches anew when other files are meant, and forgets no change for it', async () => {
    change('/app/src/a.ts');
    watch.set({ ...SPEC, ignore: [] });
    expect(watches.map(({ ended }) => ended)).toEqual([true, false]);
    watch.set({ ...SPEC, ignore: [], paths: [...SPEC.paths] });
    expect(watches).toHaveLength(2);
    await clock.pass(300);
    expect(acts).toEqual(['300 restart a.ts']);
  });

  it('is over once it is stopped or nothing is to be watched', async () => {
    change('/app/src/a.ts');
    watch.set(undefined);
    expect(watches[0]!.ended).toBe(true);
    change('/app/src/a.ts');
    await clock.pass(1_000);
    watch.set(SPEC);
    change('/app/src/a.ts');
    watch.stop();
    await clock.pass(1_000);
    expect(watches.map(({ ended }) => ended)).toEqual([true, true]);
    expect(acts).toEqual([]);
    expect(clock.armed).toBe(0);
  });

  it('tells once what cannot be watched', () => {
    watches[0]!.failed('no more watches');
    watches[0]!.failed('no more watches');
    watches[0]!.failed('no permission');
    expect(warnings).toEqual(['no more watches', 'no permission']);
  });
});

describe('a service that writes what is watched', () => {
  /** The service writes `path` half a second after each act and besides at the beginning. */
  async function loop(path: string, times: number): Promise<void> {
    for (let i = 0; i < times; i += 1) {
      change(path);
      await clock.pass(800);
    }
  }

  it('is acted upon five times, then warned and left alone', async () => {
    await loop('/app/src/out.log', 12);
    expect(acts).toHaveLength(5);
    expect(warnings).toEqual([
      'the service seems to write what it watches: out.log changed right after each of 5 restarts. ' +
        'For 30s changes there count for nothing; if nobody edits them, add them to `watch.ignore`',
    ]);
  });

  it('is watched again after the pause', async () => {
    await loop('/app/src/out.log', 6);
    await clock.pass(30_000);
    expect(acts).toHaveLength(5);
    await loop('/app/src/out.log', 1);
    expect(acts).toHaveLength(6);
    await loop('/app/src/out.log', 10);
    expect(acts).toHaveLength(10);
    expect(warnings).toHaveLength(2);
  });

  it('is acted upon at the end of the pause for other files', async () => {
    await loop('/app/src/out.log', 6);
    change('/app/src/out.log', '/app/src/a.ts');
    await clock.pass(1_000);
    change('/app/src/b.ts');
    await clock.pass(10_000);
    expect(acts).toHaveLength(5);
    await clock.pass(20_000);
    expect(acts.slice(5)).toEqual(['34300 restart a.ts b.ts']);
  });

  it('has the files named first that change most often', async () => {
    for (let i = 0; i < 6; i += 1) {
      change(`/app/src/tmp-${i}`, '/app/src/out.log');
      await clock.pass(800);
    }
    expect(warnings).toEqual([expect.stringContaining('watches: out.log, tmp-0, tmp-1 and 4 more changed')]);
  });

  it('is not meant where a person saves now and then', async () => {
    for (let i = 0; i < 20; i += 1) {
      change('/app/src/a.ts');
      await clock.pass(2_500);
    }
    for (let i = 0; i < 12; i += 1) {
      change('/app/src/a.ts');
      await clock.pass(i % 4 === 3 ? 5_000 : 1_000);
    }
    expect(acts).toHaveLength(32);
    expect(warnings).toEqual([]);
  });
});
