import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadProject } from '../../../src/manifest/load.ts';
import { memoryIo, requestFor } from '../memory-io.ts';

/** Ports that follow each other, as a list may name them. */
interface Listed {
  /** The first one's number in the container, and how many there are. */
  readonly target: number;
  readonly count: number;
  readonly address: string;
  readonly suffix: string;
}

/** Few ports of the container, so that they meet often. */
const listed: fc.Arbitrary<Listed> = fc.record({
  target: fc.integer({ min: 80, max: 86 }),
  count: fc.integer({ min: 1, max: 3 }),
  address: fc.constantFrom('', '127.0.0.1:', '[::1]:'),
  suffix: fc.constantFrom('', '/tcp', '/TCP', '/udp', '/UDP'),
});

function keysOf({ target, count, suffix }: Listed): readonly string[] {
  const protocol = suffix.toLowerCase() === '/udp' ? 'udp' : 'tcp';
  return Array.from({ length: count }, (_, at) => `${target + at}/${protocol}`);
}

/** A list in which no port stands twice. */
const list = fc.array(listed, { maxLength: 5 }).map((items) => {
  const seen = new Set<string>();
  return items.filter((item) => {
    const keys = keysOf(item);
    if (keys.some((key) => seen.has(key))) return false;
    for (const key of keys) seen.add(key);
    return true;
  });
});

/** The first port of the machine for an item: all differ, so that each tells where it comes from. */
function hostOf(file: number, item: number): number {
  return 10_000 + file * 1_000 + item * 10;
}

function textOf({ target, count, address, suffix }: Listed, host: number): string {
  const range = (from: number): string => (count === 1 ? `${from}` : `${from}-${from + count - 1}`);
  return `${address}${range(host)}:${range(target)}${suffix}`;
}

test('of each port, by its number inside and its protocol, there is one: as the last file publishes it', () => {
  fc.assert(
    fc.property(fc.array(list, { minLength: 1, maxLength: 4 }), (lists) => {
      const files = Object.fromEntries(
        lists.map((items, at) => [
          `/p/${at}.yaml`,
          `services: {box: {image: x, ports: ${JSON.stringify(items.map((item, i) => textOf(item, hostOf(at, i))))}}}`,
        ]),
      );
      const { project, diagnostics } = loadProject(
        requestFor({ files: Object.keys(files) }),
        memoryIo({ '/p': null, ...files }),
      );
      expect(diagnostics).toEqual([]);
      const wanted = new Map(
        lists.flatMap((items, at) =>
          items.flatMap((item, i) => keysOf(item).map((key, n) => [key, hostOf(at, i) + n] as const)),
        ),
      );
      const found = (project?.services[0]?.launch.container?.ports ?? []).map(
        ({ container, protocol: name, host }) => [`${container}/${name}`, host],
      );
      expect(found.length).toBe(wanted.size);
      expect(new Map(found as [string, number][])).toEqual(wanted);
    }),
    { numRuns: 500 },
  );
});
