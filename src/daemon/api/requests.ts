import type {
  ActionRequest,
  ApplyRequest,
  DownRequest,
  ExecCommand,
  ReloadRequest,
  ReviewRequest,
  Selector,
} from '../../core/api.ts';
import type { LoadRequest } from '../../core/service.ts';
import {
  choice,
  flag,
  integer,
  listOf,
  mapOf,
  name,
  object,
  optional,
  required,
  tagged,
  text,
} from './shape.ts';
import type { Shape } from './shape.ts';

/** What the manifest allows as well. */
const MOST_REPLICAS = 1000;
const LONGEST_ID = 128;
const LONGEST_REASON = 500;

const names = listOf(name(LONGEST_ID));

const select = required(object<Selector>({ names: required(names), labels: required(listOf(text)) }));

const load: Shape<LoadRequest> = object<LoadRequest>({
  files: required(listOf(name(4096))),
  projectName: optional(name(LONGEST_ID)),
  profiles: required(listOf(text)),
  set: required(mapOf(text)),
  envFiles: required(listOf(name(4096))),
  named: required(names),
});

export const applyRequest: Shape<ApplyRequest> = object<ApplyRequest>({
  load: required(load),
  hostEnv: required(mapOf(text)),
  services: required(names),
  watch: optional(flag),
  review: optional(flag),
  commandLines: optional(flag),
});

export const reloadRequest: Shape<ReloadRequest> = object<ReloadRequest>({ confirm: required(flag) });

export const reviewRequest: Shape<ReviewRequest> = object<ReviewRequest>({ hold: required(flag) });

type ActionOf<A extends ActionRequest['action']> = Extract<ActionRequest, { readonly action: A }>;

export const actionRequest: Shape<ActionRequest> = tagged<ActionRequest, 'action'>('action', {
  start: object<ActionOf<'start'>>({
    action: required(choice(['start'])),
    select,
    withDependencies: required(flag),
  }),
  stop: object<ActionOf<'stop'>>({ action: required(choice(['stop'])), select }),
  restart: object<ActionOf<'restart'>>({ action: required(choice(['restart'])), select }),
  kill: object<ActionOf<'kill'>>({ action: required(choice(['kill'])), select, signal: required(name(32)) }),
  scale: object<ActionOf<'scale'>>({
    action: required(choice(['scale'])),
    service: required(name(LONGEST_ID)),
    replicas: required(integer(0, MOST_REPLICAS)),
  }),
});

export const downRequest: Shape<DownRequest> = object<DownRequest>({
  reason: required(name(LONGEST_REASON)),
  level: required(choice([0, 1, 2])),
  timeoutMs: optional(integer(0, Number.MAX_SAFE_INTEGER)),
  volumes: optional(flag),
});

interface DetachRequest {
  readonly id: string;
}

export const detachRequest: Shape<DetachRequest> = object<DetachRequest>({ id: required(name(LONGEST_ID)) });

interface ResizeRequest {
  readonly columns: number;
  readonly rows: number;
}

/** Far beyond every screen, and within what a terminal's size can hold (`struct winsize`, ioctl_tty(2): 16 bits). */
const MOST_CELLS = 10_000;

export const resizeRequest: Shape<ResizeRequest> = object<ResizeRequest>({
  columns: required(integer(1, MOST_CELLS)),
  rows: required(integer(1, MOST_CELLS)),
});

export const execRequest: Shape<ExecCommand> = object<ExecCommand>({
  argv: required(listOf(text)),
  tty: required(flag),
  columns: optional(integer(1, MOST_CELLS)),
  rows: optional(integer(1, MOST_CELLS)),
  env: required(mapOf(text)),
  cwd: optional(name(4096)),
  user: optional(name(LONGEST_ID)),
});

interface HandOverRequest {
  readonly reason: string;
}

export const handOverRequest: Shape<HandOverRequest> = object<HandOverRequest>({
  reason: required(name(LONGEST_REASON)),
});
