import type { Place } from '../../core/diagnostic.ts';
import type { RestartSpec, ScheduleSpec } from '../../core/service.ts';
import { checkCron } from '../../schedule/cron.ts';
import type { RestartEntry, ScheduleEntry } from '../generated/manifest-types.ts';
import { isText } from '../read/node.ts';
import type { MapNode, Node } from '../read/node.ts';
import { child, hasUnknownKey } from './reader.ts';
import type { Reader } from './reader.ts';
import { statedAt } from './services.ts';
import type { RawService } from './services.ts';
import { scheduleKeys } from './table/blocks.ts';
import { longChild, readMembers } from './table/row.ts';
import { serviceKeys } from './table/service.ts';

/** When a job runs. Undefined for what is no job, and where what is wrong has been reported. */
export function scheduleOf(
  service: RawService,
  restart: RestartSpec,
  reader: Reader,
): ScheduleSpec | undefined {
  const entry = service.node.entries.get('schedule');
  if (entry === undefined) return undefined;
  const { keyPlace } = entry;
  const node = longChild(serviceKeys, service.node, 'schedule');
  const when = node?.kind === 'map' ? timesOf(service, node, reader) : undefined;
  if (when === undefined) return undefined;
  if (restart.policy === 'always' || restart.policy === 'unless-stopped')
    reportRestart(service, restart, keyPlace, reader);
  return { when, ...readMembers(scheduleKeys, node, reader) };
}

function timesOf(service: RawService, node: MapNode, reader: Reader): ScheduleSpec['when'] | undefined {
  const cron = child<ScheduleEntry>(node, 'cron');
  const every = node.entries.get('every');
  const timezone = node.entries.get('timezone');
  const { report } = reader;
  if (cron !== undefined && every !== undefined) {
    report.error(
      'conflicting-keys',
      every.keyPlace,
      `\`schedule\` of service \`${service.id}\` has two rules`,
      {
        note: 'expected one of `cron` and `every`',
        also: [{ place: cron.place, note: 'the other one' }],
      },
    );
    return undefined;
  }
  if (every !== undefined && timezone !== undefined) {
    report.error(
      'conflicting-keys',
      timezone.keyPlace,
      `\`schedule.timezone\` of service \`${service.id}\` means nothing to \`every\``,
      { note: 'it goes with `cron`' },
    );
  }
  if (cron !== undefined) return cronWhen(cron, timezone?.value, reader);
  if (every !== undefined) {
    const everyMs = reader.durationMs(every.value, '100ms');
    return everyMs === undefined ? undefined : { kind: 'every', everyMs };
  }
  const own = statedAt(service, 'schedule');
  if (own !== undefined && !hasUnknownKey(node, Object.keys(scheduleKeys))) {
    report.error('missing-key', own, `\`schedule\` of service \`${service.id}\` does not say when`, {
      note: 'expected one of `cron` and `every`',
    });
  }
  return undefined;
}

/** The expression is looked at without its time zone first, to tell which of the two is wrong. */
function cronWhen(node: Node, zone: Node | undefined, reader: Reader): ScheduleSpec['when'] | undefined {
  const expression = reader.string(node);
  const timezone = reader.string(zone);
  if (!isText(node) || expression === undefined || expression === '') return undefined;
  const why = checkCron(expression);
  if (why !== undefined) {
    const interval = /^@?every\b/i.test(expression.trim());
    reader.report.error('bad-cron', node.place, `the cron expression is not valid: ${why}`, {
      note: interval ? 'write `{every: 5m}` for a fixed interval' : 'expected one such as `0 3 * * *`',
      same: '',
    });
    return undefined;
  }
  if (timezone === undefined || zone === undefined) return { kind: 'cron', expression };
  const whyZone = checkCron(expression, timezone);
  if (whyZone === undefined) return { kind: 'cron', expression, timezone };
  reader.report.error('bad-timezone', zone.place, whyZone, { same: '' });
  return undefined;
}

function reportRestart(
  { id, node, place }: RawService,
  { policy }: RestartSpec,
  schedule: Place,
  reader: Reader,
): void {
  const restart = child<RestartEntry>(longChild(serviceKeys, node, 'restart'), 'policy');
  const message = `service \`${id}\` has a \`schedule\`, so its end is its end: \`restart: ${policy}\` makes no sense`;
  reader.report.error('schedule-restart', restart?.place ?? place, message, {
    note: 'expected `never` or `on-failure`',
    help: `say \`restart: on-failure\` in \`${id}\`, or leave the schedule out`,
    also: [{ place: schedule, note: `\`${id}\` has its schedule here` }],
  });
}
