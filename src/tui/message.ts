import type {
  ActionRequest,
  DownResponse,
  ExplainResponse,
  LogLine,
  LogQuery,
  PlanResponse,
  ProjectSnapshot,
  ReloadResponse,
  StatsResponse,
  TimelineResponse,
} from '../core/api.ts';
import type { ProjectEvent } from '../core/event.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';
import type { LogBuffer } from './log-buffer.ts';

/** What happens to the screen's state. */
export type Message =
  /** `key`: its name (`x`, `X`, `ctrl-x`, `enter`); `text`: what it types into a line, where it types anything. */
  | { readonly type: 'key'; readonly key: string; readonly text?: string }
  | { readonly type: 'paste'; readonly text: string }
  | { readonly type: 'mouse'; readonly kind: 'click' | 'up' | 'down'; readonly x: number; readonly y: number }
  | { readonly type: 'resize'; readonly columns: number; readonly rows: number }
  /** Points in time are our clock, epoch ms. */
  | { readonly type: 'tick'; readonly now: number }
  | { readonly type: 'snapshot'; readonly snapshot: ProjectSnapshot; readonly at: number }
  /** `past`: it is from before the first snapshot, so the lines around it are not here. */
  | {
      readonly type: 'happening';
      readonly happening: ProjectEvent;
      readonly dropped: number;
      readonly past?: true;
    }
  | { readonly type: 'logs'; readonly lines: readonly LogLine[] }
  /** Lines that were asked for; `into` tells which question they answer. */
  | {
      readonly type: 'history';
      readonly into: LogBuffer;
      readonly lines: readonly LogLine[];
      readonly done: boolean;
    }
  | { readonly type: 'stats'; readonly stats: StatsResponse }
  | { readonly type: 'lost' }
  | { readonly type: 'planned'; readonly response: PlanResponse; readonly applied: boolean }
  | { readonly type: 'reloaded'; readonly response: ReloadResponse }
  | { readonly type: 'explained'; readonly service: ServiceId; readonly answer: ExplainResponse }
  | { readonly type: 'timeline'; readonly timeline: TimelineResponse }
  | { readonly type: 'down'; readonly response: DownResponse }
  | { readonly type: 'notice'; readonly level: 'info' | 'error'; readonly text: string };

/** What the world is asked for. */
export type TuiEffect =
  /** `said`: what is shown once the daemon has agreed. */
  | { readonly type: 'act'; readonly request: ActionRequest; readonly said: string }
  | { readonly type: 'down'; readonly level: 0 | 1 | 2 }
  | { readonly type: 'plan' }
  | { readonly type: 'apply' }
  | { readonly type: 'reload'; readonly confirm: boolean }
  | { readonly type: 'review'; readonly hold: boolean }
  | { readonly type: 'explain'; readonly service: ServiceId }
  | { readonly type: 'timeline' }
  | { readonly type: 'history'; readonly into: LogBuffer; readonly query: LogQuery; readonly most: number }
  | { readonly type: 'copy'; readonly text: string }
  | { readonly type: 'edit' }
  /** The terminal is given to an instance that has one. */
  | { readonly type: 'attach'; readonly instance: InstanceId }
  | { readonly type: 'input'; readonly instance: InstanceId; readonly text: string }
  | { readonly type: 'mouse'; readonly on: boolean }
  | { readonly type: 'suspend' }
  | { readonly type: 'redraw' }
  | { readonly type: 'leave' };

export interface UpdateResult<S> {
  readonly state: S;
  readonly effects: readonly TuiEffect[];
}
