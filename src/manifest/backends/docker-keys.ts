/** The keys that only a container has. */
import { labelsOf } from '../keys/pairs.ts';
import type { Reader } from '../keys/reader.ts';
import {
  bytesFrom,
  duration,
  durationFrom,
  flag,
  into,
  number,
  oneOf,
  text,
  texts,
  type RowsOf,
} from '../keys/table/row.ts';
import type { BuildEntry, Docker, Healthcheck } from '../generated/manifest-types.ts';
import { byName, hostsByName, replaced, short, whatIsNew } from '../merge/rules.ts';
import type { Node } from '../read/node.ts';
import { capability } from './docker-forms.ts';

export const buildKeys = {
  context: {},
  dockerfile: into('dockerfile', text),
  args: { merge: byName },
  target: into('target', text),
  labels: into('labels', labelsOf, { merge: byName }),
  tags: into('tags', texts, { merge: whatIsNew }),
  platform: into('platform', text),
  no_cache: into('noCache', flag),
} satisfies RowsOf<BuildEntry>;

export const healthcheckKeys = {
  test: { merge: replaced },
  interval: into('intervalMs', durationFrom('1ms')),
  timeout: into('timeoutMs', durationFrom('1ms')),
  retries: into('retries', number),
  start_period: into('startPeriodMs', duration),
  disable: {},
} satisfies RowsOf<Healthcheck>;

export const dockerKeys = {
  image: {},
  build: { ...short('context', 'a folder'), keys: buildKeys },
  entrypoint: { merge: replaced },
  pull: into('pull', oneOf('missing', 'always', 'never'), { change: 'in-place' }),
  labels: into('labels', labelsOf, { merge: byName }),
  cap_add: into('capAdd', capabilities, { merge: whatIsNew }),
  cap_drop: into('capDrop', capabilities, { merge: whatIsNew }),
  user: {},
  networks: { merge: whatIsNew },
  network_mode: {},
  extra_hosts: { merge: hostsByName },
  workspace: {},
  hide_git: into('hideGit', flag),
  netrc: {},
  gitconfig: {},
  max_containers: into('maxContainers', number, { change: 'in-place' }),
  privileged: into('privileged', flag),
  pid: into('pid', (node, reader) => (reader.string(node) === 'host' ? 'host' : undefined)),
  platform: into('platform', text),
  init: into('init', flag),
  read_only: into('readOnly', flag),
  shm_size: into('shmSize', bytesFrom('1kb')),
  healthcheck: { keys: healthcheckKeys },
} satisfies RowsOf<Docker>;

/** Of a service: those that this backend alone has a use for. */
export const dockerServiceKeys = {
  image: { member: 'launch.container' },
  build: { member: 'launch.container', ...short('context', 'a folder'), keys: buildKeys },
  entrypoint: { member: 'launch.container', merge: replaced },
  docker: { member: 'launch.container', keys: dockerKeys },
} as const;

function capabilities(node: Node | undefined, reader: Reader): readonly string[] {
  return [...new Set(reader.strings(node).map(capability))];
}
