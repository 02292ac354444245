import { InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../core/util/duration.ts';
import { parseDetachKeys } from '../terminal/detach-keys.ts';

/** Parsers of option values. Each throws commander's error, which names the option. */

export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

export function keyValue(
  value: string,
  before: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const at = value.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be KEY=VALUE.');
  return { ...before, [value.slice(0, at)]: value.slice(at + 1) };
}

/** An option that takes a duration; its value is in ms. */
export function durationOption(flags: string, description: string, preset?: string): Option {
  const option = new Option(flags, description).argParser(duration);
  return preset === undefined ? option : option.default(duration(preset), preset);
}

/** The daemon answers everybody who asks within this time with the same sample. */
const LEAST_INTERVAL_MS = 200;

/** An option that takes how often something is looked at, in ms. */
export function intervalOption(flags: string, description: string, preset: string): Option {
  const interval = (value: string): number => {
    const ms = duration(value);
    if (ms < LEAST_INTERVAL_MS)
      throw new InvalidArgumentError(`It must be ${LEAST_INTERVAL_MS}ms or longer.`);
    return ms;
  };
  return new Option(flags, description).argParser(interval).default(interval(preset), preset);
}

export function detachKeys(value: string): Uint8Array {
  const parsed = parseDetachKeys(value);
  if (!parsed.ok) throw new InvalidArgumentError(`${sentence(parsed.error)}.`);
  return parsed.value;
}

/** An option's line in the help: with its choices, and its default where that says something. */
export function optionDescription(option: Option): string {
  const { defaultValue } = option as { readonly defaultValue?: unknown };
  const facts: string[] = [];
  if (option.argChoices !== undefined) facts.push(option.argChoices.join(', '));
  const preset =
    option.defaultValueDescription ??
    (typeof defaultValue === 'string' || typeof defaultValue === 'number' ? String(defaultValue) : undefined);
  if (preset !== undefined) facts.push(`default: ${preset}`);
  return facts.length === 0 ? option.description : `${option.description} (${facts.join('; ')})`;
}

function duration(value: string): number {
  const parsed = parseDuration(value);
  if (!parsed.ok) throw new InvalidArgumentError(`${sentence(parsed.error)}.`);
  return parsed.value;
}

/** A point in time, as epoch ms: how long ago, or a date and time. */
export function pointInTime(now: () => number): (value: string) => number {
  return (value) => {
    const ago = parseDuration(value);
    if (ago.ok) return now() - ago.value;
    const at = /^\d{4}-\d\d/.test(value) ? Date.parse(value) : Number.NaN;
    if (Number.isNaN(at))
      throw new InvalidArgumentError('Write how long ago (10m) or when (2030-01-31T14:00:00).');
    return at;
  };
}

export function wholeNumber(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number, 0 or more.');
  return Number(value);
}

export function lineCount(value: string): number | 'all' {
  return value === 'all' ? 'all' : wholeNumber(value);
}

/** A signal by name, with or without SIG. The daemon knows which there are. */
export function signalName(value: string): string {
  const name = value.toUpperCase();
  if (!/^[A-Z][A-Z0-9+-]{0,15}$/.test(name))
    throw new InvalidArgumentError('It must be a name such as SIGHUP or TERM.');
  return name.startsWith('SIG') ? name : `SIG${name}`;
}

export function scaleTarget(
  value: string,
  before: readonly { readonly service: string; readonly replicas: number }[] | undefined,
): readonly { readonly service: string; readonly replicas: number }[] {
  const match = /^([^=]+)=(\d{1,6})$/.exec(value);
  const [, service, replicas] = match ?? [];
  if (service === undefined || replicas === undefined) {
    throw new InvalidArgumentError('It must be SERVICE=NUMBER, such as web=3.');
  }
  return [...(before ?? []), { service, replicas: Number(replicas) }];
}

export function formatOption(choices: readonly string[] = ['text', 'json']): Option {
  return new Option('--format <format>', 'how to print').choices(choices).default('text');
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
