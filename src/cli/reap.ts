import type { ReapedFile, ReapedLeavings, ReapGroup, ReapReport } from '../core/reap.ts';
import type { Common, Format } from './common.ts';
import { fail, writeJson } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { palette, type Palette } from '../words/colour.ts';
import { count, oneLine } from '../words/text.ts';

export interface ReapCommandOptions {
  readonly dryRun: boolean;
  readonly unknown: boolean;
  readonly forget: boolean;
  readonly format: Format;
}

/** Ends and removes what nobody wants any more, of all projects of this user. */
export async function reap({ context, services }: Common, options: ReapCommandOptions): Promise<ExitStatus> {
  const { dryRun, unknown, forget } = options;
  const report = await services.reap({ dryRun, unknown, forget });
  if (options.format === 'json') writeJson(context, report);
  else context.stdout.write(reapText(report, palette(context.color)));
  const refused = report.files.filter(({ outcome }) => outcome === 'refused');
  if (report.left.length > 0) {
    const lines = report.left.map(({ pid, command }) => `pid ${pid}  ${oneLine(command)}`);
    return fail(
      context,
      {
        message: `${count(report.left.length, 'process', 'processes')} could not be ended`,
        where: lines.join('\n  '),
      },
      EXIT.failure,
    );
  }
  const failed = report.leavings.flatMap(({ removed }) => removed.failed);
  if (failed.length > 0) {
    const where = failed.map(({ what, why }) => `${oneLine(what)}: ${oneLine(why)}`).join('\n  ');
    return fail(context, { message: 'not all that is left could be removed', where }, EXIT.failure);
  }
  if (refused.length === 0) return EXIT.ok;
  const where = refused.map(({ path }) => path).join('\n  ');
  return fail(
    context,
    { message: `${count(refused.length, 'file')} could not be removed`, where },
    EXIT.failure,
  );
}

/** The report for people; ends in a newline. */
export function reapText(report: ReapReport, colours: Palette): string {
  const { dryRun, reap: reaped, listed, files, kept, leavings } = report;
  const lines: string[] = [];
  for (const group of reaped) lines.push(...groupLines(group, dryRun ? 'would end' : 'ended', colours));
  for (const group of listed) lines.push(...groupLines(group, 'left alone', colours));
  for (const one of leavings) lines.push(...leavingLines(one, dryRun ? 'would remove' : 'removed', colours));
  lines.push(...files.map((file) => fileLine(file, colours)));
  if (lines.length > 0) lines.push('');
  lines.push(summary(report));
  const cared = kept.reduce((sum, { processes }) => sum + processes.length, 0);
  if (cared > 0) lines.push(`${count(cared, 'process', 'processes')} of projects that are up: not touched`);
  if (listed.some(({ stateDir }) => stateDir === undefined))
    lines.push('What no state directory knows may belong to another XDG_STATE_HOME; --unknown ends it, too.');
  if (files.some(({ outcome }) => outcome === 'listed'))
    lines.push('--forget removes the state directories of projects whose manifest is gone, logs and all.');
  return `${lines.join('\n')}\n`;
}

function groupLines(
  { project, instance, run, reason, processes }: ReapGroup,
  done: string,
  colours: Palette,
): string[] {
  const who = project === undefined ? `run ${run}` : `${instance ?? `run ${run}`} of ${project}`;
  return [
    `${colours.bold(done)}  ${who}: ${oneLine(reason)}`,
    ...processes.map(({ pid, command }) => `    pid ${pid}  ${oneLine(command)}`),
  ];
}

function leavingLines(
  { project, reason, removed }: ReapedLeavings,
  done: string,
  colours: Palette,
): string[] {
  const names = namesOf(removed);
  if (names.length === 0) return [];
  return [
    `${colours.bold(done)}  what an engine has of ${project}: ${oneLine(reason)}`,
    ...names.map((name) => `    ${oneLine(name)}`),
  ];
}

function namesOf({ containers, networks, volumes }: ReapedLeavings['removed']): string[] {
  return [
    ...containers.map((name) => `container ${name}`),
    ...networks.map((name) => `network ${name}`),
    ...volumes.map((name) => `volume ${name}`),
  ];
}

const DONE: Readonly<Record<ReapedFile['outcome'], string>> = {
  removed: 'removed',
  'would-be-removed': 'would remove',
  listed: 'left alone',
  refused: 'could not remove',
};

function fileLine({ path, kind, project, reason, outcome }: ReapedFile, colours: Palette): string {
  const what = kind === 'socket' ? 'socket' : 'state directory';
  const of = project === undefined ? '' : ` of ${project}`;
  return `${colours.bold(DONE[outcome])}  ${what}${of}: ${oneLine(reason)}\n    ${oneLine(path)}`;
}

function summary({ dryRun, reap: reaped, files, left, leavings }: ReapReport): string {
  const ended = reaped.reduce((sum, { processes }) => sum + processes.length, 0) - left.length;
  const removed = files.filter(
    ({ outcome }) => outcome === 'removed' || outcome === 'would-be-removed',
  ).length;
  const things = leavings.flatMap((one) => namesOf(one.removed)).length;
  if (ended === 0 && removed === 0 && things === 0) return 'Nothing to reap.';
  const parts = [
    ...(ended === 0 ? [] : [count(ended, 'process', 'processes')]),
    ...(things === 0 ? [] : [`${count(things, 'thing')} of an engine`]),
    ...(removed === 0 ? [] : [count(removed, 'file')]),
  ].join(' and ');
  return dryRun ? `Would clear ${parts}.` : `Cleared ${parts}.`;
}
