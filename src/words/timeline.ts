import type { TimelineResponse, TimelineRow } from '../core/api.ts';
import { formatSpan } from '../core/util/duration.ts';
import type { Palette } from './colour.ts';
import { widest } from './table.ts';
import { count } from './text.ts';
import { padEnd, truncate } from './width.ts';

interface TimelineView {
  /** Names on screen by instance id. */
  readonly names: ReadonlyMap<string, string>;
  /** Undefined: nothing is cut, and the bars are of a length that suits a file. */
  readonly width: number | undefined;
  readonly colours: Palette;
}

const LEAST_BAR = 10;
const MOST_BAR = 60;
const INDENT = 2;
const GAP = 2;

/** How a project came up: for each instance what it waited for, how long it took, and a bar of both. Ends in a newline. */
export function timelineText(response: TimelineResponse, view: TimelineView): string {
  const { colours, names, width } = view;
  const { rows, beganAt, now } = response;
  if (rows.length === 0) return 'nothing has been started yet\n';
  // One that never settles must not make all the others too short to be seen.
  const endAt = Math.max(
    beganAt,
    ...rows.map(({ wantedAt, startedAt, doneAt }) => doneAt ?? startedAt ?? wantedAt),
  );
  const nameOf = (row: TimelineRow): string => names.get(row.instance) ?? row.instance;
  const lines = rows.map((row) => ({ row, name: nameOf(row), words: wordsOf(row, now) }));
  const nameWidth = widest(lines.map(({ name }) => name));
  const wordWidth = widest(lines.map(({ words }) => words));
  const room = width === undefined ? MOST_BAR : width - INDENT - nameWidth - wordWidth - 2 * GAP - 2;
  const barWidth = Math.min(MOST_BAR, Math.max(LEAST_BAR, room));
  const scale = { from: beganAt, to: endAt, width: barWidth };
  const body = lines.map(({ row, name, words }) => {
    const mark = row.critical ? '*' : ' ';
    const shown = padEnd(name, nameWidth);
    const bar = barOf(row, scale);
    const painted =
      colours.dim(bar.waited) + (row.critical ? colours.yellow : colours.green)(bar.took) + bar.rest;
    return `${mark} ${row.critical ? colours.bold(shown) : shown}  ${painted}  ${words}`.trimEnd();
  });
  const axis = `${' '.repeat(INDENT + nameWidth + GAP)}${padEnd('0', barWidth - formatSpan(endAt - beganAt).length)}${formatSpan(endAt - beganAt)}`;
  const out = [
    headOf(response, endAt),
    '',
    colours.dim(axis),
    ...body,
    '',
    criticalOf(rows, nameOf, beganAt),
  ];
  return `${out.map((line) => (width === undefined ? line : truncate(line, width))).join('\n')}\n`.replace(
    /\n\n$/,
    '\n',
  );
}

function headOf({ rows, beganAt, doneAt }: TimelineResponse, endAt: number): string {
  const total = formatSpan(endAt - beganAt);
  if (doneAt !== undefined) return `${count(rows.length, 'instance')}, all settled after ${total}`;
  const settled = rows.filter((row) => row.doneAt !== undefined).length;
  return `${settled} of ${count(rows.length, 'instance')} settled within ${total}`;
}

/** "waited 2.1 s for db (ready), then took 0.3 s to be ready". */
function wordsOf(row: TimelineRow, now: number): string {
  const { wantedAt, startedAt, doneAt, doneAs, waitedFor } = row;
  const parts: string[] = [];
  const last = waitedFor.at(-1);
  if (last !== undefined) {
    const all = waitedFor.map(({ service, condition }) => `${service} (${condition})`).join(', ');
    parts.push(`waited ${formatSpan((startedAt ?? last.until) - wantedAt)} for ${all}`);
  } else if (startedAt === undefined && doneAt === undefined) {
    parts.push(`waiting for ${formatSpan(now - wantedAt)}`);
  }
  if (doneAs === 'skipped') parts.push('skipped');
  else if (startedAt !== undefined && doneAt !== undefined && doneAs !== undefined)
    parts.push(`${doneAs} after ${formatSpan(doneAt - startedAt)}`);
  else if (startedAt !== undefined) parts.push(`started ${formatSpan(now - startedAt)} ago`);
  else if (doneAs !== undefined) parts.push(doneAs);
  return parts.join(', ');
}

interface Scale {
  readonly from: number;
  readonly to: number;
  /** In columns. */
  readonly width: number;
}

/** Dots while it waited, blocks from its start until it was done, pale ones where it is not; as wide as the scale. */
function barOf(row: TimelineRow, scale: Scale): { waited: string; took: string; rest: string } {
  const end = row.doneAt ?? scale.to;
  const begin = row.startedAt ?? end;
  const [from, middle, to] = [row.wantedAt, begin, end].map((at) => column(at, scale)) as [
    number,
    number,
    number,
  ];
  // Whatever was started shows, however short it was.
  const last = row.startedAt === undefined ? to : Math.min(scale.width, Math.max(to, middle + 1));
  const first = Math.min(middle, row.startedAt === undefined ? last : last - 1);
  return {
    waited: ' '.repeat(Math.min(from, first)) + '·'.repeat(Math.max(0, first - from)),
    took: (row.doneAt === undefined ? '▒' : '█').repeat(Math.max(0, last - first)),
    rest: ' '.repeat(scale.width - Math.max(first, last)),
  };
}

function column(at: number, { from, to, width }: Scale): number {
  const share = to === from ? 0 : (at - from) / (to - from);
  return Math.round(Math.min(1, Math.max(0, share)) * width);
}

/** "* db -> api: 2.3 s, what everything together waited for"; empty where nothing is marked. */
function criticalOf(
  rows: readonly TimelineRow[],
  nameOf: (row: TimelineRow) => string,
  beganAt: number,
): string {
  const path = rows
    .filter(({ critical }) => critical)
    .sort((a, b) => (a.doneAt ?? Infinity) - (b.doneAt ?? Infinity));
  const end = path.at(-1)?.doneAt;
  // Of a part of the rows it would not be the whole path.
  if (end === undefined || rows.some(({ doneAt }) => (doneAt ?? 0) > end)) return '';
  const took = `, ${formatSpan(end - beganAt)}`;
  return `* critical path: ${path.map(nameOf).join(' -> ')}${took}`;
}
