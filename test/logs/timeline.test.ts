import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Timeline } from '../../src/logs/timeline.ts';

function timeline(
  ...samples: readonly (readonly [time: number, stdout: number, stderr?: number])[]
): Timeline {
  const made = new Timeline();
  for (const [time, stdout, stderr = 0] of samples) made.add({ time, stdout, stderr });
  return made;
}

function times(made: Timeline, offsets: readonly number[]): number[] {
  const hand = { index: 0 };
  return offsets.map((offset) => made.timeOf('stdout', offset, hand));
}

describe('the time of a byte', () => {
  it('lies between the samples around it', () => {
    const made = timeline([1_000, 0], [2_000, 100], [2_500, 200]);
    expect(times(made, [0, 50, 99, 100, 150, 200])).toEqual([1_000, 1_500, 1_990, 2_000, 2_250, 2_500]);
  });

  it('is that of its burst and not of the silence before', () => {
    const made = timeline([1_000, 0], [1_000, 100], [9_000, 100], [9_000, 150]);
    expect(times(made, [0, 99, 100, 149])).toEqual([1_000, 1_000, 9_000, 9_000]);
  });

  it('is that of the next sample known where none is before it, and of the last where none is after it', () => {
    expect(times(timeline([5_000, 100]), [0, 100, 900])).toEqual([5_000, 5_000, 5_000]);
    expect(times(new Timeline(), [3])).toEqual([0]);
  });

  it('never runs backwards, although the clock was set back', () => {
    const made = timeline([5_000, 0], [5_100, 10], [1_000, 20], [1_100, 30]);
    const found = times(made, [0, 5, 10, 15, 20, 25]);
    expect(found).toEqual([...found].sort((a, b) => a - b));
  });

  it('does not depend on the order of asking', () => {
    const steps = fc.array(fc.record({ after: fc.nat(50), more: fc.nat(50) }), {
      minLength: 1,
      maxLength: 30,
    });
    fc.assert(
      fc.property(steps, fc.array(fc.nat(1_500)), (grown, offsets) => {
        const made = new Timeline();
        let time = 1;
        let stdout = 0;
        for (const { after, more } of grown) {
          time += after;
          stdout += more;
          made.add({ time, stdout, stderr: 0 });
        }
        const hand = { index: 0 };
        const together = offsets.map((offset) => made.timeOf('stdout', offset, hand));
        expect(together).toEqual(offsets.map((offset) => made.timeOf('stdout', offset, { index: 0 })));
      }),
    );
  });
});

describe('what was written since a time', () => {
  it('begins at the size of the last sample before it', () => {
    const made = timeline([1_000, 0], [2_000, 100], [3_000, 200]);
    const found = [0, 1_000, 1_001, 2_000, 2_001, 9_000].map((time) => made.offsetSince('stdout', time));
    expect(found).toEqual([0, 0, 0, 0, 100, 200]);
  });
});

describe('runs', () => {
  const made = new Timeline();
  made.beginRun('a', { time: 1, stdout: 0, stderr: 0 });
  made.endRun('a', { time: 2, stdout: 90, stderr: 10 });
  made.beginRun('b', { time: 3, stdout: 100, stderr: 10 });
  made.beginRun('c', { time: 4, stdout: 150, stderr: 30 });

  it('reach to the beginning of the next, so that what trickles in late is not lost', () => {
    expect(made.rangeOf('a', 'stdout')).toEqual({ from: 0, to: 100 });
    expect(made.rangeOf('c', 'stdout')).toEqual({ from: 150 });
    expect(made.rangeOf('never', 'stdout')).toBeUndefined();
    expect(made.previousRange('stderr')).toEqual({ from: 10, to: 30 });
    expect(new Timeline().previousRange('stderr')).toBeUndefined();
  });

  it('break lines where they begin and end', () => {
    expect(made.breaks('stdout')).toEqual([90, 100, 150]);
    expect(made.breaks('stderr')).toEqual([10, 30]);
  });

  it('are kept in a bounded number', () => {
    const many = new Timeline();
    for (let i = 0; i < 1_000; i += 1) many.beginRun(`r${i}`, { time: i, stdout: i, stderr: 0 });
    expect(many.runs.length).toBeLessThan(100);
    expect(many.rangeOf('r999', 'stdout')).toEqual({ from: 999 });
  });
});

describe('a file that shrank', () => {
  it('has lost what the samples before tell', () => {
    const made = timeline([1_000, 0], [2_000, 100]);
    made.beginRun('a', { time: 2_000, stdout: 100, stderr: 0 });
    expect(made.generation('stdout')).toBe(0);
    made.add({ time: 3_000, stdout: 50, stderr: 0 });
    expect(made.generation('stdout')).toBe(1);
    expect(made.generation('stderr')).toBe(0);
    expect(times(made, [0, 25, 50])).toEqual([2_000, 2_500, 3_000]);
    expect(made.rangeOf('a', 'stdout')).toEqual({ from: 0 });
    expect(made.breaks('stdout')).toEqual([]);
  });
});

describe('thinning', () => {
  it('drops samples, keeps the newer half, and keeps the ends of silences', () => {
    const made = new Timeline();
    let stdout = 0;
    for (let burst = 0; burst < 100; burst += 1) {
      const time = burst * 3_600_000;
      made.add({ time, stdout, stderr: 0 });
      for (let i = 1; i <= 10; i += 1) made.add({ time: time + i * 100, stdout: (stdout += 10), stderr: 0 });
    }
    const before = made.length;
    const newest = times(made, [9_000, 9_990]);
    made.thin();
    expect(made.length).toBeLessThan(before * 0.9);
    expect(times(made, [9_000, 9_990])).toEqual(newest);
    // The first byte of each burst still belongs to its hour.
    for (let burst = 0; burst < 100; burst += 1)
      expect(times(made, [burst * 100])).toEqual([burst * 3_600_000]);
  });

  it('always makes progress, whatever the samples are', () => {
    const steps = fc.array(fc.record({ after: fc.nat(5), out: fc.nat(2), err: fc.nat(1) }), {
      minLength: 64,
      maxLength: 200,
    });
    fc.assert(
      fc.property(steps, (grown) => {
        const made = new Timeline();
        let sample = { time: 1, stdout: 0, stderr: 0 };
        for (const { after, out, err } of grown) {
          sample = { time: sample.time + after, stdout: sample.stdout + out, stderr: sample.stderr + err };
          made.add(sample);
        }
        const before = made.length;
        const last = made.at(-1);
        made.thin();
        expect(made.at(-1)).toEqual(last);
        if (before >= 16) expect(made.length).toBeLessThan(before);
      }),
    );
  });
});
