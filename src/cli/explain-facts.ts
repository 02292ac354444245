import type { DependencyView, ExplainResponse } from '../core/api.ts';
import { formatDuration, formatSpan } from '../core/util/duration.ts';
import type { InstanceSnapshot, ProbeView } from '../core/event.ts';
import { describeExit } from '../core/exit.ts';
import { describeProbe, describeRestartLimit } from '../core/status-text.ts';
import { clockTime, count, dayAndTime, oneLine } from './output/text.ts';

/** What is said of a service below its history: a word for what it is about, and the rest of the line. */
export type ExplainFact = readonly [key: string, value: string];

/** Everything there is to know of a service besides its history; facts of the same key follow one another. */
export function explainFacts(answer: ExplainResponse, now: number): readonly ExplainFact[] {
  const { service } = answer;
  const { description } = service;
  return [
    ...(description === undefined ? [] : [['description', oneLine(description)] as const]),
    ...ofInstances(answer, now),
    ...answer.dependencies.map(({ service: on, condition, now: does }, index): ExplainFact => [
      'depends on',
      `${on} (${condition}; ${oneLine(does)})${terms(service.dependsOn[index], on)}`,
    ]),
    ...(answer.dependents.length === 0 ? [] : [['needed by', answer.dependents.join(', ')] as const]),
    ...(service.schedule === undefined ? [] : [['schedule', scheduleText(answer, now)] as const]),
    ...(service.watch ?? []).map((path): ExplainFact => ['watches', oneLine(path)]),
    ['restart', `${service.restart}, backoff ${service.backoff}`],
    ['backend', `${service.backend}: ${oneLine(service.backendReason)}`],
    ...(service.input === undefined ? [] : [['input', inputText(service.id, service.input)] as const]),
    ...(answer.next.length === 0 ? [] : [['next', answer.next.join('; ')] as const]),
  ];
}

/** What is true of each instance by itself, named where there are several. */
function ofInstances({ service, verdicts }: ExplainResponse, now: number): readonly ExplainFact[] {
  const asked = new Set(verdicts.map(({ instance }) => instance));
  const shown = service.instances.filter(({ id }) => asked.has(id));
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
      return `lost at ${clockTime(readiness.since)}: ${oneLine(readiness.reason)}`;
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

function scheduleText({ service, verdicts }: ExplainResponse, now: number): string {
  const asked = new Set(verdicts.map(({ instance }) => instance));
  const times = service.instances.flatMap(({ id, nextRun }) =>
    asked.has(id) && nextRun !== undefined ? [nextRun] : [],
  );
  const next = times.length === 0 ? undefined : Math.min(...times);
  if (next === undefined) return oneLine(service.schedule ?? '');
  const left = formatSpan(Math.max(0, next - now), 'whole');
  return `${oneLine(service.schedule ?? '')}; next at ${dayAndTime(next).slice(0, -4)}, in ${left}`;
}

function inputText(service: string, input: 'pipe' | 'tty'): string {
  return `${input === 'tty' ? 'a terminal' : 'a pipe'}: \`setpoint attach ${service}\` types into it`;
}
