import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadProject } from '../../../src/manifest/load.ts';
import { memoryIo, requestFor } from '../memory-io.ts';

/** A port as a list may name it, and what it publishes. */
interface Listed {
  readonly text: string;
  readonly ports: readonly (readonly [key: string, host: number])[];
}

const protocol = fc.constantFrom(
  { suffix: '', name: 'tcp' },
  { suffix: '/tcp', name: 'tcp' },
  { suffix: '/TCP', name: 'tcp' },
  { suffix: '/udp', name: 'udp' },
  { suffix: '/UDP', name: 'udp' },
);

/** Few container ports, so that they meet often; ports of the machine never, so that they tell where one comes from. */
const listed = fc
  .record({
    target: fc.integer({ min: 80, max: 86 }),
    count: fc.integer({ min: 1, max: 3 }),
    host: fc.integer({ min: 100, max: 6_000 }),
    address: fc.constantFrom('', '127.0.0.1:', '[::1]:'),
    protocol,
  })
  .map(({ target, count, host, address, protocol: { suffix, name } }): Listed => {
    const from = host * 10;
    const range = (start: number): string => (count === 1 ? `${start}` : `${start}-${start + count - 1}`);
    return {
      text: `${address}${range(from)}:${range(target)}${suffix}`,
      ports: Array.from({ length: count }, (_, at) => [`${target + at}/${name}`, from + at] as const),
    };
  });

/** A list in which no port stands twice. */
const list = fc.array(listed, { maxLength: 5 }).map((items) => {
  const seen = new Set<string>();
  return items.filter(({ ports }) => {
    if (ports.some(([key]) => seen.has(key))) return false;
    for (const [key] of ports) seen.add(key);
    return true;
  });
});

test('of each port, by its number inside and its protocol, there is one: as the last file publishes it', () => {
  fc.assert(
    fc.property(fc.array(list, { minLength: 1, maxLength: 4 }), (lists) => {
      const files = Object.fromEntries(
        lists.map((items, at) => [
          `/p/${at}.yaml`,
          `services: {box: {image: x, ports: ${JSON.stringify(items.map(({ text }) => text))}}}`,
        ]),
      );
      const { project, diagnostics } = loadProject(
        requestFor({ files: Object.keys(files) }),
        memoryIo({ '/p': null, ...files }),
      );
      expect(diagnostics).toEqual([]);
      const wanted = new Map(lists.flatMap((items) => items.flatMap(({ ports }) => ports)));
      const found = (project?.services[0]?.launch.docker?.ports ?? []).map(
        ({ container, protocol: name, host }) => [`${container}/${name}`, host],
      );
      expect(found.length).toBe(wanted.size);
      expect(new Map(found as [string, number][])).toEqual(wanted);
    }),
    { numRuns: 500 },
  );
});
