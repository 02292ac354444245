import type {
  ActionRequest,
  ActionResponse,
  ApiError,
  ApplyRequest,
  ApplyResponse,
  DaemonInfo,
  DownRequest,
  DownResponse,
  ExplainResponse,
  LogLine,
  LogQuery,
  PlanResponse,
  ProjectSnapshot,
  WatchItem,
} from '../core/api.ts';
import type { Happening } from '../core/event.ts';
import type { Result } from '../core/result.ts';
import type { ServiceId } from '../core/service.ts';

export type ControlResult<T> = Promise<Result<T, ApiError['error']>>;

/** Everything a client may ask of a running project; what the API serves. */
export interface Control {
  info(): DaemonInfo;
  snapshot(): ProjectSnapshot;
  /** Calls `listener` with every snapshot and happening from now on, until the answer is called. */
  subscribe(listener: (item: WatchItem) => void): () => void;
  plan(request: ApplyRequest): ControlResult<PlanResponse>;
  /** Resolves once the plan is made and begun, not once it is through. */
  apply(request: ApplyRequest): ControlResult<ApplyResponse>;
  act(request: ActionRequest): ControlResult<ActionResponse>;
  /** Resolves once nothing is left or all that could be done was done. A second call with a higher level escalates. */
  down(request: DownRequest): ControlResult<DownResponse>;
  explain(service: ServiceId): ControlResult<ExplainResponse>;
  happenings(limit: number, service?: ServiceId): readonly Happening[];
  /** Ends when all was read, or, following, when `signal` aborts. */
  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>;
  /** Takes the lease if it is free; `release(false)` brings the project down, `release(true)` leaves it running. */
  lease(): LeaseHold | undefined;
}

export interface LeaseHold {
  release(detach: boolean): void;
}
