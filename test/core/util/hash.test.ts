import { expect, test } from 'vitest';
import { shortHash } from '../../../src/core/util/hash.ts';

// The test vectors of the algorithm are of bytes; a code unit below 256 adds a zero byte to each.
test.each([
  ['', 'cbf29ce484222325'],
  ['a', '089be207b544f1e4'],
])('%j hashes to %s', (text, hash) => {
  expect(shortHash(text)).toBe(hash);
});

test('ten thousand similar paths all hash to different values of one length', () => {
  const hashes = Array.from({ length: 10_000 }, (_, i) =>
    shortHash(`/home/me/projects/${i}/setpoint.yaml\0`),
  );
  expect(new Set(hashes).size).toBe(10_000);
  expect(hashes.every((h) => /^[0-9a-f]{16}$/.test(h))).toBe(true);
});
