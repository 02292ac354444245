import type { Place } from '../../core/diagnostic.ts';
import type { BackendName, Probe, ProbeCheck } from '../../core/service.ts';
import type { Facts } from './facts.ts';
import { httpCheck, tcpCheck } from '../check/network-checks.ts';
import type { LogCheckEntry, ProbeEntry as ProbeMap } from '../generated/manifest-types.ts';
import type { MapEntry, MapNode, Node } from '../read/node.ts';
import { child, hasUnknownKey } from './reader.ts';
import type { Reader } from './reader.ts';
import { statedAt } from './services.ts';
import type { RawService } from './services.ts';
import { probeKeys } from './table/blocks.ts';
import { longChild, readMembers } from './table/row.ts';
import { serviceKeys } from './table/service.ts';

/** What a probe can look at; it does exactly one of these. */
const KINDS = ['exec', 'http', 'tcp', 'log', 'notify', 'healthcheck'] as const;
const TIMINGS = ['interval', 'timeout', 'retries', 'start_period', 'success'] as const;

type Kind = (typeof KINDS)[number];

/** What a probe of one service is read with. */
export interface ProbeScope {
  readonly service: RawService;
  readonly facts: Facts;
  readonly shell: readonly string[];
  /** Whether its stderr joins its stdout. */
  readonly mergeStderr: boolean;
  readonly reader: Reader;
  /** For what is used on the machine whatever runs the service: what is asked over the network. */
  readonly onMachine: Reader;
}

/** What others need to know of a service's `ready` probe; undefined where it has none. */
export function readyFact(service: MapNode, reader: Reader): { readonly pattern?: string } | undefined {
  const node = longChild(serviceKeys, service, 'ready');
  if (node?.kind !== 'map' || kindsOf(node).length === 0) return undefined;
  const pattern = reader.string(child<LogCheckEntry>(longChild(probeKeys, node, 'log'), 'pattern'));
  return pattern === undefined ? {} : { pattern };
}

/**
 * Undefined where there is none, and where what is wrong with it has been reported. A container is ready by its
 * healthcheck unless it says otherwise.
 */
export function probeOf(key: 'ready' | 'live', scope: ProbeScope): Probe | undefined {
  const { service, facts, reader } = scope;
  const node = longChild(serviceKeys, service.node, key);
  if (node?.kind === 'map') {
    const stated = statedProbe(key, node, scope);
    if (stated !== undefined || kindsOf(node).length > 0) return stated;
  }
  // Read for its report's sake: the word that may stand here must be known now.
  if (node?.kind === 'scalar') reader.string(node);
  if (key === 'live' || facts.container === undefined || facts.ready === undefined) return undefined;
  return { check: { kind: 'health' }, ...readMembers(probeKeys, undefined, reader) };
}

/** Where a probe asks for the healthcheck of the container. */
export function statedHealthcheck(key: 'ready' | 'live', { node }: RawService): Place | undefined {
  return child<ProbeMap>(longChild(serviceKeys, node, key), 'healthcheck')?.place;
}

function statedProbe(key: 'ready' | 'live', node: MapNode, scope: ProbeScope): Probe | undefined {
  const { service, reader } = scope;
  const [first, second] = kindsOf(node);
  if (first === undefined) {
    reportNoCheck(key, node, scope);
    return undefined;
  }
  if (second !== undefined) {
    const message = `\`${key}\` of service \`${service.id}\` looks at two things, \`${first.key}\` and \`${second.key}\``;
    reader.report.error('conflicting-keys', second.keyPlace, message, {
      note: 'a probe does one of `exec`, `http`, `tcp`, `log`, `notify`, `healthcheck`',
      also: [{ place: first.keyPlace, note: 'the other one' }],
    });
    return undefined;
  }
  const kind = first.key === 'healthcheck' ? 'health' : first.key;
  warnOfUnusedTimings(key, kind, scope);
  const check = checkOf(key, first, scope);
  const unused = unusedTimings(key, kind);
  const used = [...node.entries].filter(([name]) => !unused.includes(name));
  const timings = readMembers(probeKeys, { ...node, entries: new Map(used) }, reader);
  return check === undefined ? undefined : { check, ...timings };
}

function kindsOf({ entries }: MapNode): (MapEntry & { readonly key: Kind })[] {
  return KINDS.flatMap((key) => {
    const entry = entries.get(key);
    return entry === undefined ? [] : [{ ...entry, key }];
  });
}

/** Timings alone may stand in `defaults`, for the services that have a probe. */
function reportNoCheck(key: 'ready' | 'live', node: MapNode, { service, reader }: ProbeScope): void {
  const own = statedAt(service, key);
  if (own === undefined || hasUnknownKey(node, [...KINDS, ...TIMINGS])) return;
  const message = `\`${key}\` of service \`${service.id}\` does not say what to look at`;
  reader.report.error('missing-key', own, message, {
    note: `expected one of \`exec\`, \`http\`, \`tcp\`, ${key === 'ready' ? '`log`, ' : ''}\`notify\`, \`healthcheck\``,
  });
}

function checkOf(
  key: 'ready' | 'live',
  entry: MapEntry & { key: Kind },
  scope: ProbeScope,
): ProbeCheck | undefined {
  const { service, reader, shell } = scope;
  const { value: node, keyPlace } = entry;
  const what = `\`${key}.${entry.key}\` of service \`${service.id}\``;
  switch (entry.key) {
    case 'exec': {
      const command = reader.command(node, shell);
      return command === undefined ? undefined : { kind: 'exec', command };
    }
    case 'http':
      return httpCheck(node, what, scope);
    case 'tcp':
      return tcpCheck(node, what, scope);
    case 'log':
      if (key === 'ready') return logCheck(probeKeys.log.long(node), scope);
      reader.report.error(
        'bad-probe',
        keyPlace,
        `${what}: a line that was written once does not tell whether it still works`,
        {
          note: '`log` is for `ready` only',
          help: 'expected one of `exec`, `http`, `tcp`, `notify`',
        },
      );
      return undefined;
    case 'notify':
      return reader.boolean(node) === true ? { kind: 'notify' } : undefined;
    case 'healthcheck':
      return reader.boolean(node) === true ? { kind: 'health' } : undefined;
  }
}

function logCheck(node: Node, { service, mergeStderr, reader }: ProbeScope): ProbeCheck | undefined {
  const pattern = reader.string(child<LogCheckEntry>(node, 'pattern'));
  const stream = child<LogCheckEntry>(node, 'stream');
  const wanted = reader.string(stream);
  if (pattern === undefined) {
    if (node.kind === 'map' && !hasUnknownKey(node, Object.keys(probeKeys.log.keys))) {
      const message = `\`ready.log\` of service \`${service.id}\` has no \`pattern\``;
      reader.report.error('missing-key', node.place, message, { note: 'expected a regular expression' });
    }
    return undefined;
  }
  if (stream !== undefined && wanted === 'stderr' && mergeStderr) {
    reader.report.error(
      'bad-probe',
      stream.place,
      `service \`${service.id}\` has no stderr of its own to look at`,
      {
        note: 'it goes to stdout, by `log: {stderr: merge}` or `tty`',
      },
    );
  }
  return { kind: 'log', pattern, ...(wanted === 'stdout' || wanted === 'stderr' ? { stream: wanted } : {}) };
}

/** Keys of a probe that its kind has no use for; they are as if they were not there. */
export function unusedTimings(key: 'ready' | 'live', kind: ProbeCheck['kind']): readonly string[] {
  if (kind === 'health') return TIMINGS;
  if (kind !== 'log' && kind !== 'notify') return [];
  return key === 'live' ? ['timeout', 'success'] : TIMINGS;
}

const UNUSED_BECAUSE: Partial<Readonly<Record<ProbeCheck['kind'], (backend: BackendName) => string>>> = {
  log: () => 'a `log` probe waits for a line',
  notify: () => 'with `notify` the service speaks up itself',
  health: (backend) =>
    `the engine runs the healthcheck; its times stand in \`${backend}: {healthcheck: ...}\``,
};

/** Only what the service says itself: among the defaults it may well be meant for others. */
function warnOfUnusedTimings(
  key: 'ready' | 'live',
  kind: ProbeCheck['kind'],
  { service, facts, reader }: ProbeScope,
): void {
  const own = service.own.entries.get(key)?.value;
  if (own?.kind !== 'map') return;
  const unused = unusedTimings(key, kind);
  for (const entry of own.entries.values()) {
    if (!unused.includes(entry.key) || entry.value.tag === 'reset') continue;
    const message = `\`${key}.${entry.key}\` of service \`${service.id}\` has no effect`;
    reader.report.warning('unused-key', entry.keyPlace, message, {
      note: UNUSED_BECAUSE[kind]?.(facts.choice.backend),
    });
  }
}
