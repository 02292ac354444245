import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatDuration,
  formatSize,
  formatSpan,
  MAX_DURATION_MS,
  parseDuration,
  parseSize,
} from '../../../src/core/util/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['1m30s', 90_000],
    ['2h', 7_200_000],
    ['1.5s', 1_500],
    ['1d', 86_400_000],
    ['0s', 0],
    ['1d2h3m4s5ms', 93_784_005],
    ['0.1d', 8_640_000],
    ['1.1h', 3_960_000],
    ['0.29s', 290],
    [' 30s ', 30_000],
    ['24d20h31m23s647ms', MAX_DURATION_MS],
  ])('reads %j as %d ms', (text, ms) => {
    expect(parseDuration(text)).toEqual({ ok: true, value: ms });
  });

  it.each([
    ['30', '30 has no unit: write 30s or 30ms'],
    ['1.5', '1.5 has no unit: write 1.5s or 1.5ms'],
    ['', 'a duration is missing, such as 30s or 500ms'],
    ['-5s', 'a duration cannot be negative'],
    ['1m 30s', 'a duration has no spaces: write 1m30s'],
    ['30 s', 'a duration has no spaces: write 1m30s'],
    ['30S', 'S is not a unit of time: use d, h, m, s or ms'],
    ['5min', 'min is not a unit of time: use d, h, m, s or ms'],
    ['10us', 'us is too short a unit: the smallest is ms'],
    ['0.5ms', 'a duration is a whole number of milliseconds'],
    ['1.0001s', 'a duration is a whole number of milliseconds'],
    ['30s1m', 'the units of a duration go from large to small, each once: write 1m30s'],
    ['1s1s', 'the units of a duration go from large to small, each once: write 1m30s'],
    ['1m30', '1m30 is not a duration: write one like 30s, 500ms or 1m30s'],
    ['s', 's is not a duration: write one like 30s, 500ms or 1m30s'],
    ['.5s', '.5s is not a duration: write one like 30s, 500ms or 1m30s'],
    ['soon', 'soon is not a duration: write one like 30s, 500ms or 1m30s'],
    ['25d', '25d is too long: the longest duration is 24d20h31m23.647s'],
    ['24d20h31m23s648ms', '24d20h31m23s648ms is too long: the longest duration is 24d20h31m23.647s'],
    ['9999999999999999999d', '9999999999999999999d is too long: the longest duration is 24d20h31m23.647s'],
  ])('refuses %j and says why', (text, why) => {
    expect(parseDuration(text)).toEqual({ ok: false, error: why });
  });

  it('neither repeats control characters nor long texts in its message', () => {
    const result = parseDuration(`\u001b[31m${'x'.repeat(10_000)}`);
    expect(result.ok).toBe(false);
    if (!result.ok) {
      expect(result.error).not.toContain('\u001b');
      expect(result.error.length).toBeLessThan(120);
    }
  });

  it('reads back what formatDuration writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_DURATION_MS }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toEqual({ ok: true, value: ms });
      }),
    );
  });

  it('never throws and stays within its bounds', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.hmsd]{0,12}$/)), (text) => {
        const result = parseDuration(text);
        if (!result.ok) return;
        expect(Number.isInteger(result.value)).toBe(true);
        expect(result.value).toBeGreaterThanOrEqual(0);
        expect(result.value).toBeLessThanOrEqual(MAX_DURATION_MS);
      }),
    );
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [500, '500ms'],
    [1_000, '1s'],
    [1_500, '1.5s'],
    [90_000, '1m30s'],
    [60_500, '1m0.5s'],
    [86_400_000, '1d'],
    [90_061_001, '1d1h1m1.001s'],
    [0.4, '0s'],
    [-3, '0s'],
  ])('writes %d ms as %j', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('formatSpan', () => {
  it.each([
    [0, '0s'],
    [0.2, '1 ms'],
    [40, '40 ms'],
    [99.4, '99 ms'],
    [99.6, '0.1 s'],
    [800, '0.8 s'],
    [2_149, '2.1 s'],
    [4_000, '4s'],
    [9_949, '9.9 s'],
    [9_960, '10s'],
    [12_900, '12s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [90_000, '1m 30s'],
    [725_000, '12m'],
    [3_600_000, '1h'],
    [7_500_000, '2h 5m'],
    [273_600_000, '3d 4h'],
    [-1, '0s'],
  ])('shows %d ms as %j', (ms, text) => {
    expect(formatSpan(ms)).toBe(text);
  });

  it.each([
    [40, '0s'],
    [4_900, '4s'],
    [9_990, '9s'],
    [61_000, '1m 1s'],
  ])('shows an age of %d ms in whole seconds as %j', (ms, text) => {
    expect(formatSpan(ms, 'whole')).toBe(text);
  });
});

describe('parseSize', () => {
  it.each([
    ['64MiB', 67_108_864],
    ['10kb', 10_240],
    ['10KB', 10_240],
    ['1g', 1_073_741_824],
    ['1.5g', 1_610_612_736],
    ['2tb', 2_199_023_255_552],
    ['512b', 512],
    ['4096', 4_096],
    ['0', 0],
    ['64 MiB', 67_108_864],
    ['1KiB', 1_024],
  ])('reads %j as %d bytes', (text, bytes) => {
    expect(parseSize(text)).toEqual({ ok: true, value: bytes });
  });

  it.each([
    ['', 'a size is missing, such as 64MiB'],
    ['-1k', 'a size cannot be negative'],
    ['64XB', 'XB is not a unit of size: use b, kb, mb, gb, tb or KiB, MiB, GiB, TiB'],
    ['ib', 'ib is not a size: write one like 64MiB, 10kb or 1g'],
    ['1ib', 'ib is not a unit of size: use b, kb, mb, gb, tb or KiB, MiB, GiB, TiB'],
    ['1.5', 'a size is a whole number of bytes'],
    ['99999t', '99999t is too large a size'],
    ['1g1m', '1g1m is not a size: write one like 64MiB, 10kb or 1g'],
  ])('refuses %j and says why', (text, why) => {
    expect(parseSize(text)).toEqual({ ok: false, error: why });
  });
});

describe('formatSize', () => {
  it.each([
    [0, '0 B'],
    [512, '512 B'],
    [1_023, '1023 B'],
    [1_024, '1 KiB'],
    [1_536, '1.5 KiB'],
    [1_048_575, '1 MiB'],
    [63_963_136, '61 MiB'],
    [1_610_612_736, '1.5 GiB'],
    [-5, '0 B'],
  ])('shows %d bytes as %j', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});
