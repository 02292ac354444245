import type { ProjectSnapshot } from '../core/api.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';
import { instanceWord, type InstanceWord } from '../words/status.ts';
import { shownInstances, type NamedInstance } from '../words/instances.ts';
import type { Grouping } from './state.ts';

/** A line of the list of services. */
export type ListRow =
  | { readonly kind: 'heading'; readonly text: string }
  /** `repeated`: it stands further up already, with all that is below it. */
  | {
      readonly kind: 'instance';
      readonly shown: NamedInstance;
      readonly prefix: string;
      readonly repeated: boolean;
    };

/** From what needs somebody to what does not. */
const STATE_ORDER: readonly InstanceWord[] = [
  'failed',
  'backoff',
  'unknown',
  'not ready',
  'stopping',
  'starting',
  'waiting',
  'running',
  'ready',
  'scheduled',
  'skipped',
  'completed',
  'stopped',
];

export function listRows(snapshot: ProjectSnapshot, grouping: Grouping): readonly ListRow[] {
  const all = shownInstances(snapshot);
  switch (grouping.kind) {
    case 'manifest':
      return all.map(plainRow);
    case 'state':
      return STATE_ORDER.flatMap((word) =>
        group(
          word,
          all.filter(({ instance }) => instanceWord(instance) === word),
        ),
      );
    case 'label': {
      const valueOf = ({ service }: NamedInstance): string =>
        Object.hasOwn(service.labels, grouping.key) ? (service.labels[grouping.key] ?? '') : '';
      const values = [...new Set(all.map(valueOf))].sort();
      return values.flatMap((value) =>
        group(
          value === '' ? `without ${grouping.key}` : `${grouping.key}=${value}`,
          all.filter((shown) => valueOf(shown) === value),
        ),
      );
    }
    case 'tree':
      return treeRows(snapshot, all);
  }
}

function plainRow(shown: NamedInstance): ListRow {
  return { kind: 'instance', shown, prefix: '', repeated: false };
}

function group(text: string, members: readonly NamedInstance[]): readonly ListRow[] {
  return members.length === 0 ? [] : [{ kind: 'heading', text }, ...members.map(plainRow)];
}

/** Services that nobody depends on first, each above what it depends on. */
function treeRows(snapshot: ProjectSnapshot, all: readonly NamedInstance[]): readonly ListRow[] {
  const byService = new Map<ServiceId, NamedInstance[]>();
  for (const shown of all)
    byService.set(shown.service.id, [...(byService.get(shown.service.id) ?? []), shown]);
  const needed = new Set(
    snapshot.services.flatMap(({ dependsOn }) => dependsOn.map(({ service }) => service)),
  );
  const placed = new Set<ServiceId>();
  const rows: ListRow[] = [];
  const place = (id: ServiceId, lead: string, branch: string): void => {
    const members = byService.get(id);
    const service = members?.[0]?.service;
    if (members === undefined || service === undefined) return;
    const repeated = placed.has(id);
    placed.add(id);
    members.forEach((shown, index) => {
      rows.push({
        kind: 'instance',
        shown,
        prefix: index === 0 ? lead + branch : lead + under(branch),
        repeated,
      });
    });
    if (repeated) return;
    const below = service.dependsOn.filter((dependency) => byService.has(dependency.service));
    below.forEach((dependency, index) => {
      place(dependency.service, lead + under(branch), index === below.length - 1 ? '\u2514 ' : '\u251c ');
    });
  };
  for (const { id } of snapshot.services) if (!needed.has(id)) place(id, '', '');
  // A cycle is refused by the manifest; what is left over is shown all the same.
  for (const { id } of snapshot.services) if (!placed.has(id)) place(id, '', '');
  return rows;
}

function under(branch: string): string {
  if (branch === '') return '';
  return branch.startsWith('\u251c') ? '\u2502 ' : '  ';
}

/** Instances that can be selected, in the order in which they stand on screen. */
export function selectable(rows: readonly ListRow[]): readonly InstanceId[] {
  return rows.flatMap((row) => (row.kind === 'instance' && !row.repeated ? [row.shown.instance.id] : []));
}

/** The groupings that make sense for a project, in the order of the key that goes through them. */
export function groupings(snapshot: ProjectSnapshot): readonly Grouping[] {
  const keys = new Set(snapshot.services.flatMap(({ labels }) => Object.keys(labels)));
  const hasEdges = snapshot.services.some(({ dependsOn }) => dependsOn.length > 0);
  return [
    { kind: 'manifest' },
    { kind: 'state' },
    ...[...keys].sort().map((key): Grouping => ({ kind: 'label', key })),
    ...(hasEdges ? [{ kind: 'tree' } as const] : []),
  ];
}

export function groupingText(grouping: Grouping): string {
  switch (grouping.kind) {
    case 'manifest':
      return '';
    case 'state':
      return 'by state';
    case 'label':
      return `by ${grouping.key}`;
    case 'tree':
      return 'by dependency';
  }
}
