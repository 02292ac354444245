import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DetachKeys, parseDetachKeys } from '../../src/terminal/detach-keys.ts';

function bytes(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

describe('parseDetachKeys', () => {
  test.each([
    ['ctrl-p,ctrl-q', [16, 17]],
    ['ctrl-P', [16]],
    ['ctrl-],q', [29, 113]],
    ['ctrl-@', [0]],
    ['~,.', [126, 46]],
  ])('%s', (text, keys) => {
    expect(parseDetachKeys(text)).toEqual({ ok: true, value: Uint8Array.from(keys) });
  });

  test.each(['', 'ctrl-', 'ctrl-1', 'ab', 'ctrl-p,', 'é'])('%j is none', (text) => {
    expect(parseDetachKeys(text).ok).toBe(false);
  });
});

describe('DetachKeys', () => {
  const keys = bytes('\u0010\u0011');

  test('end the attachment wherever the pieces are cut, and what follows them goes nowhere', () => {
    const detach = new DetachKeys(keys);
    expect(detach.take(bytes('ls\r\u0010'))).toEqual({
      pass: Uint8Array.from(bytes('ls\r')),
      detached: false,
    });
    expect(detach.take(bytes('\u0011rm'))).toEqual({ pass: Uint8Array.of(), detached: true });
  });

  test('a beginning that does not go on is passed on, and may itself begin anew', () => {
    const detach = new DetachKeys(keys);
    expect(detach.take(bytes('\u0010\u0010a'))).toEqual({
      pass: Uint8Array.from(bytes('\u0010\u0010a')),
      detached: false,
    });
    expect(detach.take(bytes('\u0010\u0010\u0011')).detached).toBe(true);
  });

  test('pass on everything up to the first occurrence, however it is cut', () => {
    const letters = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 });
    const sequence = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(letters, sequence, fc.integer({ min: 1, max: 5 }), (typed, keyed, size) => {
        const text = typed.join('');
        const detach = new DetachKeys(bytes(keyed.join('')));
        let passed = '';
        let detached = false;
        for (let at = 0; at < text.length && !detached; at += size) {
          const taken = detach.take(bytes(text.slice(at, at + size)));
          passed += Buffer.from(taken.pass).toString('latin1');
          detached = taken.detached;
        }
        const first = text.indexOf(keyed.join(''));
        expect(detached).toBe(first !== -1);
        if (detached) expect(passed).toBe(text.slice(0, first));
        else expect(text.startsWith(passed) && text.length - passed.length < keyed.length).toBe(true);
      }),
    );
  });
});
