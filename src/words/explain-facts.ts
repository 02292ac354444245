import type { DependencyView, ExplainResponse } from '../core/api.ts';
import { formatDuration, formatSpan } from '../core/util/duration.ts';
import type { InstanceSnapshot, ProbeView, Schedule } from '../core/event.ts';
import type { InstanceId } from '../core/service.ts';
import { describeExit } from './exit.ts';
import { describeProbeFailure } from './probe.ts';
import { describeBackoff } from './restart.ts';
import { describeSchedule } from './schedule.ts';
import { describeProbe, describeRestartLimit, verdict } from './status.ts';
import { clockTime, count, dayAndTime, oneLine } from './text.ts';

/** What is said of a service below its history: a word for what it is about, and the rest of the line. */
export type ExplainFact = readonly [key: string, value: string];

/** Everything there is to know of a service besides its history; facts of the same key follow one another. */
export function explainFacts(answer: ExplainResponse, now: number): readonly ExplainFact[] {
  const { service } = answer;
  const { description } = service;
  const next = nextSteps(answer);
  return [
    ...(description === undefined ? [] : [['description', oneLine(description)] as const]),
    ...ofInstances(answer, now),
    ...answer.dependencies.map(({ service: on, condition, now: does }, index): ExplainFact => [
      'depends on',
      `${on} (${condition}; ${does.length === 0 ? 'not there' : does.join(', ')})${terms(service.dependsOn[index], on)}`,
    ]),
    ...(answer.dependents.length === 0 ? [] : [['needed by', answer.dependents.join(', ')] as const]),
    ...(service.schedule === undefined
      ? []
      : [['schedule', scheduleText(answer, service.schedule, now)] as const]),
    ...(service.watch ?? []).map((path): ExplainFact => ['watches', oneLine(path)]),
    ['restart', `${service.restart}, backoff ${describeBackoff(service.backoff)}`],
    ['backend', `${service.backend}: ${oneLine(service.backendReason)}`],
    ...(service.input === undefined ? [] : [['input', inputText(service.id, service.input)] as const]),
    ...(next.length === 0 ? [] : [['next', next.join('; ')] as const]),
  ];
}

/** Per instance asked about: what it does and why, and what comes next, in one sentence. */
export function verdicts(
  answer: ExplainResponse,
): readonly { readonly instance: InstanceId; readonly text: string }[] {
  return askedAbout(answer).map((instance) => ({
    instance: instance.id,
    text: verdict(instance, answer.service, answer.now),
  }));
}

/** What could be done now, as commands. */
export function nextSteps(answer: ExplainResponse): readonly string[] {
  const service = answer.service.id;
  const kinds = new Set(askedAbout(answer).map(({ state }) => state.kind));
  const steps: string[] = [];
  if (kinds.has('backoff')) steps.push(`\`setpoint restart ${service}\` acts now`);
  if (kinds.has('failed')) steps.push(`\`setpoint restart ${service}\` starts afresh`);
  if (kinds.has('stopped')) steps.push(`\`setpoint start ${service}\` starts it`);
  if (kinds.has('failed') || kinds.has('backoff')) {
    steps.push(`\`setpoint logs ${service}\` shows what it wrote`);
  }
  return steps;
}

function askedAbout({ service, asked }: ExplainResponse): readonly InstanceSnapshot[] {
  return service.instances.filter(({ id }) => asked.includes(id));
}

/** What is true of each instance by itself, named where there are several. */
function ofInstances(answer: ExplainResponse, now: number): readonly ExplainFact[] {
  const shown = askedAbout(answer);
  const keys = ['readiness', 'ready', 'live', 'status', 'restarts', 'last run'] as const;
  return keys.flatMap((key) =>
    shown.flatMap((instance): ExplainFact[] => {
      const value = ofInstance(instance, key, now);
      if (value === undefined) return [];
      return [[key, shown.length > 1 ? `${instance.id}: ${value}` : value]];
    }),
  );
}

function ofInstance(
  instance: InstanceSnapshot,
  key: 'readiness' | 'ready' | 'live' | 'status' | 'restarts' | 'last run',
  now: number,
): string | undefined {
  const { ready, live, statusText, lastExit } = instance;
  switch (key) {
    case 'readiness':
      return readinessText(instance);
    case 'ready':
      return ready === undefined
        ? undefined
        : `${probeText(ready, now)}; ${count(ready.retries, 'failure')} in a row would take it back`;
    case 'live':
      return live === undefined
        ? undefined
        : `${probeText(live, now)}; ${count(live.retries, 'failure')} in a row would end the run`;
    case 'status':
      return statusText === undefined ? undefined : oneLine(statusText);
    case 'restarts':
      return describeRestartLimit(instance);
    case 'last run':
      return lastExit === undefined ? undefined : oneLine(describeExit(lastExit));
  }
}

function readinessText({ state }: InstanceSnapshot): string | undefined {
  if (state.kind !== 'running' || state.readiness === undefined) return undefined;
  const { readiness } = state;
  switch (readiness.kind) {
    case 'pending':
      return 'not ready yet';
    case 'ready':
      return `ready since ${clockTime(readiness.since)}, took ${formatSpan(readiness.tookMs)}`;
    case 'lost':
      return `lost at ${clockTime(readiness.since)}: ${oneLine(describeProbeFailure(readiness.reason))}`;
  }
}

function probeText(probe: ProbeView, now: number): string {
  return `${oneLine(probe.what)}: ${describeProbe(probe, now)}`;
}

/** ", 30s at most, not required, restarts with it": what is not as usual. */
function terms(view: DependencyView | undefined, on: string): string {
  if (view?.service !== on) return '';
  const parts = [
    ...(view.pattern === undefined ? [] : [`line matching ${oneLine(view.pattern)}`]),
    ...(view.timeoutMs === undefined ? [] : [`waits ${formatDuration(view.timeoutMs)} at most`]),
    ...(view.required ? [] : ['not required']),
    ...(view.onFailure === 'restart' ? ['restarts when it fails'] : []),
    ...(view.onFailure === 'stop' ? ['stops when it fails'] : []),
  ];
  return parts.map((part) => `, ${part}`).join('');
}

function scheduleText(answer: ExplainResponse, schedule: Schedule, now: number): string {
  const said = oneLine(describeSchedule(schedule));
  const times = askedAbout(answer).flatMap(({ nextRun }) => (nextRun === undefined ? [] : [nextRun]));
  const next = times.length === 0 ? undefined : Math.min(...times);
  if (next === undefined) return said;
  const left = formatSpan(Math.max(0, next - now), 'whole');
  return `${said}; next at ${dayAndTime(next).slice(0, -4)}, in ${left}`;
}

function inputText(service: string, input: 'pipe' | 'tty'): string {
  return `${input === 'tty' ? 'a terminal' : 'a pipe'}: \`setpoint attach ${service}\` types into it`;
}
