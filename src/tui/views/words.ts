import { describeCause } from '../../words/cause.ts';
import { describeSkip, describeStatus } from '../../words/dependency.ts';
import { describeFailure } from '../../words/restart.ts';
import { formatSpan } from '../../core/util/duration.ts';
import type { InstanceSnapshot } from '../../core/event.ts';
import { describeExit } from '../../words/exit.ts';
import { describeState, instanceWord, stateWord, unnested, type InstanceWord } from '../../words/status.ts';
import { oneLine } from '../../words/text.ts';
import type { Theme } from '../theme.ts';

/** A shape and a colour for each state: one can be told from another without seeing colours. */
const MARKS: Readonly<
  Record<
    InstanceWord,
    { readonly mark: string; readonly style: keyof Theme & ('good' | 'busy' | 'bad' | 'dim' | 'accent') }
  >
> = {
  ready: { mark: '\u25cf', style: 'good' },
  running: { mark: '\u25cf', style: 'good' },
  'not ready': { mark: '\u25d0', style: 'busy' },
  starting: { mark: '\u25d4', style: 'busy' },
  waiting: { mark: '\u25cc', style: 'accent' },
  stopping: { mark: '\u25d1', style: 'busy' },
  backoff: { mark: '\u21bb', style: 'bad' },
  failed: { mark: '\u2716', style: 'bad' },
  skipped: { mark: '\u2298', style: 'dim' },
  scheduled: { mark: '\u25f7', style: 'accent' },
  completed: { mark: '\u2714', style: 'good' },
  stopped: { mark: '\u25cb', style: 'dim' },
  unknown: { mark: '?', style: 'busy' },
};

export function markOf(word: InstanceWord, theme: Theme): { readonly mark: string; readonly style: string } {
  const { mark, style } = MARKS[word];
  return { mark, style: theme[style] };
}

/** What it does, in as few words as a column has room for. */
export function stateText(instance: InstanceSnapshot, now: number): string {
  const { state, replacing } = instance;
  const word = instanceWord(instance);
  // Why it is not known, and how far what is being brought about is, have a column that is wide enough.
  if (word === 'unknown') return `unknown, was ${stateWord(state)}`;
  if (word === 'not ready' || word === 'starting') return word;
  if (replacing === true) return `${word}, replacing`;
  if (state.kind === 'waiting' && state.on.length > 1)
    return `waiting for ${state.on[0]?.service ?? ''} +${state.on.length - 1}`;
  return oneLine(describeState(instance, now));
}

/** The last thing that explains why it is as it is; '' where nothing needs explaining. */
export function reasonText(instance: InstanceSnapshot): string {
  const { state, lastCause, lastExit, statusText, restarts, ready, unknown, progress } = instance;
  if (unknown !== undefined) return oneLine(unknown);
  const cause = lastCause === undefined || lastCause === '' ? '' : `: ${lastCause}`;
  switch (state.kind) {
    case 'backoff':
      return oneLine(`${describeExit(state.exit)}${cause}`);
    case 'failed':
      return oneLine(`${describeFailure(state.reason, state.exit)}${cause}`);
    case 'skipped':
      return oneLine(unnested(describeSkip(state.reason)));
    case 'stopping':
      return oneLine(describeCause(state.cause));
    case 'completed':
      return oneLine(describeExit(state.exit));
    case 'waiting':
      return oneLine(state.on.map(({ service, now }) => `${service}: ${describeStatus(now)}`).join(', '));
    case 'stopped':
    case 'scheduled':
      return state.exit === undefined ? '' : oneLine(`last run: ${describeExit(state.exit)}`);
    case 'running':
      if (progress !== undefined) return oneLine(progress);
      if (stateWord(state) === 'not ready') return oneLine(ready?.last?.output ?? '');
      if (statusText !== undefined) return oneLine(statusText);
      return restarts > 0 && lastExit !== undefined
        ? oneLine(`last run: ${describeExit(lastExit)}${cause}`)
        : '';
    case 'starting':
      return oneLine(progress ?? '');
  }
}

/** Whether a probe's last look failed. */
export function hasFailed({ ready, live }: InstanceSnapshot): boolean {
  return ready?.last?.ok === false || live?.last?.ok === false;
}

/** What the probes saw last: `ok`, or how often in a row one has failed, of how often it may. '' without any look. */
export function healthText({ state, ready, live }: InstanceSnapshot): string {
  if (state.kind !== 'running') return '';
  const looks = [live, ready].filter((probe) => probe?.last !== undefined);
  const failing = looks.find((probe) => probe?.last?.ok === false);
  if (failing !== undefined) return `\u2661${failing.inARow}/${failing.retries}`;
  return looks.length === 0 ? '' : '\u2665 ok';
}

export function uptimeText({ state }: InstanceSnapshot, now: number): string {
  return state.kind === 'running' ? formatSpan(Math.max(0, now - state.since), 'whole').replace(' ', '') : '';
}

/** `61M`, `1.2G`. */
export function shortSize(bytes: number): string {
  const units = ['K', 'M', 'G', 'T'] as const;
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 9.95 && unit > 0 ? value.toFixed(1) : Math.round(value)}${units[unit] ?? ''}`;
}

const BARS = ['\u2581', '\u2582', '\u2583', '\u2584', '\u2585', '\u2586', '\u2587', '\u2588'] as const;
/** Below this share of a CPU, in percent, a busy moment is no peak. */
const LEAST_PEAK = 10;

/** The last `width` samples as bars between the lowest and the highest of all; what hardly moves is a flat line. */
export function trend(samples: readonly number[], width: number): string {
  const [low, high] = [Math.min(...samples), Math.max(...samples)];
  const range = Math.max(high - low, high * LEAST_RANGE, 1);
  return samples
    .slice(-width)
    .map((value) => BARS[Math.min(7, Math.floor(((value - low) / range) * 7.99))] ?? '')
    .join('');
}

/** A share of the highest value; what moves less than that does not move. */
const LEAST_RANGE = 0.1;

/** The last `width` samples as bars, the highest of all being a full one. */
export function sparkline(samples: readonly number[], width: number): string {
  const shown = samples.slice(-width);
  const peak = Math.max(LEAST_PEAK, ...samples);
  return shown
    .map((value) => BARS[Math.min(7, Math.floor((Math.max(0, value) / peak) * 7.99))] ?? '')
    .join('');
}
