import { expect, test } from 'vitest';
import { digestOf, type FileLook } from '../../src/daemon/file-marks.ts';
import { ManifestWatch } from '../../src/daemon/manifest-watch.ts';
import { FakeClock } from '../rig/fake-clock.ts';

const MANIFEST = '/p/setpoint.yaml';
const ENV = '/p/.env';

/** Files that hold what the test says, and a watcher that says what the test says. */
class World {
  readonly clock = new FakeClock();
  readonly files = new Map<string, string>([[MANIFEST, 'a']]);
  readonly told: number[] = [];
  readonly warned: string[] = [];
  /** How often each set of files was watched, and whether it still is. */
  readonly watches: { readonly paths: readonly string[]; active: boolean }[] = [];
  /** Awaited by every look. */
  gate: Promise<void> = Promise.resolve();
  #changed: (paths: readonly string[]) => void = () => {};
  #failed: (reason: string) => void = () => {};
  readonly watch = new ManifestWatch(
    {
      clock: this.clock,
      look: async (path): Promise<FileLook> => {
        const now = this.look(path);
        await this.gate;
        return now;
      },
      watcher: {
        watch: ({ paths }, changed, failed) => {
          const one = { paths, active: true };
          this.watches.push(one);
          this.#changed = changed;
          this.#failed = failed;
          return () => (one.active = false);
        },
      },
    },
    {
      changed: () => this.told.push(this.clock.now()),
      warn: (reason) => this.warned.push(reason),
    },
  );

  look(path: string): FileLook {
    const text = this.files.get(path);
    return text === undefined ? { mark: 'unread', blank: true } : { mark: text, blank: text === '' };
  }

  /** As a load does it. */
  load(...paths: readonly string[]): void {
    this.watch.set(new Map(paths.map((path) => [path, this.look(path).mark])));
  }

  save(text: string | undefined, path = MANIFEST): void {
    if (text === undefined) this.files.delete(path);
    else this.files.set(path, text);
    this.#changed([path]);
  }

  fail(reason: string): void {
    this.#failed(reason);
  }
}

async function world(...paths: readonly string[]): Promise<World> {
  const made = new World();
  made.load(...(paths.length === 0 ? [MANIFEST, ENV] : paths));
  await made.clock.pass(1_000);
  expect(made.told).toEqual([]);
  return made;
}

test('a save is told once, 60 ms after the last event of it', async () => {
  const it = await world();
  it.save('b');
  await it.clock.pass(30);
  it.save('c');
  await it.clock.pass(59);
  expect(it.told).toEqual([]);
  await it.clock.pass(1);
  expect(it.told).toEqual([1_090]);
});

test('what was touched, or saved as it was, is not told', async () => {
  const it = await world();
  it.save('a');
  await it.clock.pass(1_000);
  it.save('b');
  await it.clock.pass(10);
  it.save('a');
  await it.clock.pass(1_000);
  expect(it.told).toEqual([]);
});

test('a file that was not there counts once it is', async () => {
  const it = await world();
  it.save('X=1', ENV);
  await it.clock.pass(60);
  expect(it.told).toHaveLength(1);
});

test.each([
  ['gone', undefined],
  ['empty', ''],
])('a file that is %s for a moment is waited for', async (_, text) => {
  const it = await world();
  it.save(text);
  await it.clock.pass(300);
  expect(it.told).toEqual([]);
  it.save('b');
  await it.clock.pass(60);
  expect(it.told).toEqual([1_360]);
});

test.each([
  ['gone', undefined],
  ['empty', ''],
])('a file that stays %s is told after half a second', async (_, text) => {
  const it = await world();
  it.save(text);
  await it.clock.pass(559);
  expect(it.told).toEqual([]);
  await it.clock.pass(1);
  expect(it.told).toHaveLength(1);
});

test('a file that was gone and is back as it was is not told', async () => {
  const it = await world();
  it.save(undefined);
  await it.clock.pass(200);
  it.save('a');
  await it.clock.pass(5_000);
  expect(it.told).toEqual([]);
});

test('saving that does not end is looked at every 600 ms', async () => {
  const it = await world();
  for (let n = 0; n < 200; n += 1) {
    it.save(`${n}`);
    await it.clock.pass(10);
    if (it.told.length > 0 && it.files.get(MANIFEST) !== undefined) it.load(MANIFEST, ENV);
  }
  expect(it.told.length).toBeGreaterThan(0);
  expect(it.told[0]).toBeLessThanOrEqual(1_000 + 610);
});

test('what changed between the load and the watch is seen', async () => {
  const it = new World();
  it.load(MANIFEST);
  it.files.set(MANIFEST, 'b');
  await it.clock.pass(60);
  expect(it.told).toHaveLength(1);
});

test('a check finds what no event told of, and disturbs nothing else', async () => {
  const it = await world();
  it.files.set(MANIFEST, 'b');
  await it.clock.pass(1_000);
  expect(it.told).toEqual([]);
  it.watch.check();
  await it.clock.pass(0);
  expect(it.told).toHaveLength(1);
  it.load(MANIFEST, ENV);
  it.watch.check();
  it.watch.check();
  await it.clock.pass(1_000);
  expect(it.told).toHaveLength(1);
});

test('what was loaded meanwhile is not told any more', async () => {
  const it = await world();
  it.save('b');
  await it.clock.pass(30);
  it.load(MANIFEST, ENV);
  await it.clock.pass(1_000);
  expect(it.told).toEqual([]);
});

test('a look that was overtaken by a load, or by another save, says nothing', async () => {
  const it = await world();
  let open: () => void = () => {};
  it.gate = new Promise((resolve) => (open = resolve));
  it.save('b');
  await it.clock.pass(60);
  it.load(MANIFEST, ENV);
  open();
  await it.clock.pass(1_000);
  expect(it.told).toEqual([]);

  it.gate = new Promise((resolve) => (open = resolve));
  it.save('c');
  await it.clock.pass(60);
  it.save('d');
  open();
  await it.clock.pass(59);
  expect(it.told).toEqual([]);
  await it.clock.pass(1);
  expect(it.told).toHaveLength(1);
});

test('the same files are watched on, others instead of them; a stop ends all of it', async () => {
  const it = await world();
  it.load(MANIFEST, ENV);
  expect(it.watches).toHaveLength(1);
  it.load(MANIFEST, '/p/more.yaml');
  expect(it.watches.map(({ paths, active }) => [paths.length, active])).toEqual([
    [2, false],
    [2, true],
  ]);
  it.fail('no more watches');
  expect(it.warned).toEqual(['no more watches']);
  it.save('b');
  it.watch.stop();
  it.watch.check();
  await it.clock.pass(10_000);
  expect(it.told).toEqual([]);
  expect(it.clock.armed).toBe(0);
  expect(it.watches.every(({ active }) => !active)).toBe(true);
});

test('the digest of files depends on their content, not on their order', () => {
  const a = new Map([
    ['/a', '1'],
    ['/b', '2'],
  ]);
  expect(digestOf(new Map([...a].reverse()))).toBe(digestOf(a));
  expect(digestOf(new Map([...a, ['/b', '3']]))).not.toBe(digestOf(a));
  expect(digestOf(new Map([...a, ['/c', 'unread']]))).not.toBe(digestOf(a));
});
