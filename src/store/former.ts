import type { Cause, FormerText } from '../core/event.ts';

type Fields = Readonly<Record<string, unknown>>;

/**
 * An event as a version wrote it that kept sentences where there is data now: each sentence goes to where the data
 * would be, as `text`. What is data already stays as it is.
 */
export function upgradedEvent(event: Fields): Fields {
  const one = withData(event);
  const exit = one['exit'];
  // Of an end, `cause` is what the service said last: a text for good.
  const cause = one['type'] === 'instance-exited' ? undefined : one['cause'];
  return {
    ...one,
    ...(isFields(exit) ? { exit: upgradedExit(exit) } : {}),
    ...(isFields(cause) ? { cause: upgradedCause(cause) } : {}),
  };
}

function withData(event: Fields): Fields {
  const { reason, on, detail, summary, changes } = event;
  switch (event['type']) {
    case 'manifest-applied':
    case 'manifest-reloaded':
    case 'manifest-held': {
      if (typeof summary !== 'string') return event;
      const { summary: _, ...rest } = event;
      const lines = Array.isArray(changes) ? { changes: changes.map(asText) } : {};
      return { ...rest, counts: asText(summary), ...lines };
    }
    case 'instance-waiting':
      return typeof on === 'string' ? { ...event, on: asText(on) } : event;
    case 'hook-ran': {
      if (typeof detail !== 'string') return event;
      const { detail: _, ...rest } = event;
      return { ...rest, end: asText(detail) };
    }
    case 'change-failed':
    case 'instance-unready':
    case 'instance-unhealthy':
    case 'schedule-missed':
    case 'instance-backing-off':
    case 'instance-escalated':
    case 'instance-failed':
    case 'instance-skipped':
      return typeof reason === 'string' ? { ...event, reason: asText(reason) } : event;
    default:
      return event;
  }
}

/** The same of the record of a run. */
export function upgradedRunRecord(record: Fields): Fields {
  const { ended, lastExit, stopping } = record;
  return {
    ...record,
    ...(isFields(lastExit) ? { lastExit: upgradedExit(lastExit) } : {}),
    ...(isFields(ended) && isFields(ended['exit'])
      ? { ended: { ...ended, exit: upgradedExit(ended['exit']) } }
      : {}),
    ...(isFields(stopping) ? { stopping: upgradedStopping(stopping) } : {}),
  };
}

function upgradedStopping(stopping: Fields): Fields {
  const { reason, ...rest } = stopping;
  if (typeof reason !== 'string') return stopping;
  return { ...rest, cause: { kind: 'text', of: 'user', text: reason } satisfies Cause };
}

function upgradedExit(exit: Fields): Fields {
  const { kind, reason } = exit;
  return kind === 'unhealthy' && typeof reason === 'string' ? { ...exit, reason: asText(reason) } : exit;
}

function upgradedCause(cause: Fields): Fields | Cause {
  const { kind, what, was, reason, service } = cause;
  switch (kind) {
    case 'user':
      return typeof what === 'string' ? (REQUESTS[what] ?? { kind: 'text', of: kind, text: what }) : cause;
    case 'schedule':
      return typeof what === 'string' ? { kind: 'text', of: kind, text: what } : cause;
    case 'dependency':
      return typeof what === 'string'
        ? { kind: 'text', of: kind, text: `${String(service)} ${what}` }
        : cause;
    case 'policy':
      return typeof reason === 'string' ? { kind: 'text', of: kind, text: reason } : cause;
    case 'not-running':
      return NOT_RUNNING[String(was)] ?? cause;
    default:
      return cause;
  }
}

/** The causes that were told by one sentence each. */
const REQUESTS: Readonly<Record<string, Cause>> = {
  'started by hand': { kind: 'user', request: 'start' },
  'stopped by hand': { kind: 'user', request: 'stop' },
  'restarted by hand': { kind: 'user', request: 'restart' },
  'stopped by a person': { kind: 'user', request: 'earlier-stop' },
};
const NOT_RUNNING: Readonly<Record<string, Cause>> = {
  'not started': { kind: 'not-running', was: 'not-started' },
  'not yet started when the daemon ended': { kind: 'not-running', was: 'unbegun' },
};

function asText(text: unknown): FormerText {
  return { kind: 'text', text: String(text) };
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
