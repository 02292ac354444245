import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LateRef, Text } from '../../../src/core/service.ts';
import {
  concat,
  parseStatus,
  sampleOf,
  splitAddress,
  urlProblem,
} from '../../../src/manifest/keys/probe-forms.ts';

const port: LateRef = { ref: 'port', service: 'db', port: 'pg' };
const host: LateRef = { ref: 'host', service: 'db' };

const late = fc.constantFrom<LateRef>(port, host, { ref: 'instance-number' });
const anyText: fc.Arbitrary<Text> = fc.oneof(
  fc.string(),
  fc.array(fc.oneof(fc.string(), late), { maxLength: 4 }),
);

describe('statuses', () => {
  test.each([
    ['200', 200, 200],
    ['2xx', 200, 299],
    ['5XX', 500, 599],
    ['200-399', 200, 399],
    ['404-404', 404, 404],
  ])('%s', (text, from, to) => {
    expect(parseStatus(text)).toEqual({ ok: true, value: { from, to } });
  });

  test.each(['', '99', '600', '20x', '2xx-300', '399-200', '200-', '-200', '200-600', '200,201', ' 200'])(
    '%j is none',
    (text) => {
      expect(parseStatus(text).ok).toBe(false);
    },
  );

  test('every range that is written is read back', () => {
    const status = fc.integer({ min: 100, max: 599 });
    fc.assert(
      fc.property(status, status, (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        expect(parseStatus(`${from}-${to}`)).toEqual({ ok: true, value: { from, to } });
      }),
    );
  });
});

describe('addresses', () => {
  test.each<[Text, ReturnType<typeof splitAddress>]>([
    ['80', { port: '80' }],
    ['http', { port: 'http' }],
    [[port], { port: [port] }],
    ['db:80', { host: 'db', port: '80' }],
    ['[::1]:80', { host: '::1', port: '80' }],
    [[host, ':', port], { host: [host], port: [port] }],
    [['db:', port], { host: 'db', port: [port] }],
    [[host, ':80'], { host: [host], port: '80' }],
    ['::1', undefined],
    ['::1:80', undefined],
    [':80', undefined],
  ])('%j', (text, expected) => {
    expect(splitAddress(text)).toEqual(expected);
  });

  test('of a host and a port are cut where they were joined', () => {
    const word = fc.stringMatching(/^[a-z0-9.-]{1,12}$/);
    const side: fc.Arbitrary<Text> = fc.oneof(word, fc.constant<Text>([host]), fc.constant<Text>([port]));
    fc.assert(
      fc.property(side, side, (left, right) => {
        expect(splitAddress(concat(left, ':', right))).toEqual({ host: left, port: right });
      }),
    );
  });
});

describe('texts', () => {
  test('one after the other say what they said apart, in their shortest form', () => {
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 4 }), (texts) => {
        const whole = concat(...texts);
        expect(sampleOf(whole)).toBe(texts.map(sampleOf).join(''));
        const parts = typeof whole === 'string' ? [] : whole;
        expect(parts.some((part) => part === '')).toBe(false);
        expect(parts.some((part, i) => typeof part === 'string' && typeof parts[i + 1] === 'string')).toBe(
          false,
        );
        expect(typeof whole === 'string').toBe(
          texts.every((text) => [text].flat().every((part) => typeof part === 'string')),
        );
      }),
    );
  });

  test.each<[Text, boolean]>([
    ['http://127.0.0.1:80/x', true],
    ['https://[::1]/', true],
    [['http://', host, ':', port, '/x'], true],
    ['127.0.0.1:80', false],
    ['localhost:80/x', false],
    ['file:///x', false],
    ['/x', false],
    ['http://', false],
    ['http://a:99999/', false],
  ])('%j is a URL that can be asked: %s', (text, right) => {
    expect(urlProblem(text) === undefined).toBe(right);
  });
});
