import type {
  ActionRequest,
  ActionResponse,
  ApiError,
  ApplyRequest,
  ApplyResponse,
  DaemonInfo,
  DownRequest,
  DownResponse,
  ExecCommand,
  ExplainResponse,
  LogLine,
  LogQuery,
  PlanResponse,
  ProjectSnapshot,
  ReloadRequest,
  ReloadResponse,
  ReviewRequest,
  StatsResponse,
  TimelineResponse,
  WatchItem,
} from '../core/api.ts';
import type { ProjectEvent } from '../core/event.ts';
import type { Result } from '../core/util/result.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';
import type { ExecSession } from './backend.ts';

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
  /** Takes the manifest up again as the last apply did; resolves once that is begun, or held for review. */
  reload(request: ReloadRequest): ControlResult<ReloadResponse>;
  /** Has later changes of the manifest held until they are confirmed, or not. */
  review(request: ReviewRequest): ControlResult<void>;
  act(request: ActionRequest): ControlResult<ActionResponse>;
  /** Resolves once nothing is left or all that could be done was done. A second call with a higher level escalates. */
  down(request: DownRequest): ControlResult<DownResponse>;
  explain(service: ServiceId): ControlResult<ExplainResponse>;
  happenings(limit: number, service?: ServiceId): readonly ProjectEvent[];
  /** Ends when all was read, or, following, when `signal` aborts. */
  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>;
  /** `atOnce`: with the share of a CPU left out where an earlier sample to compare with is missing. */
  stats(atOnce: boolean): ControlResult<StatsResponse>;
  timeline(): ControlResult<TimelineResponse>;
  /** Writes to an instance's standard input. */
  input(instance: InstanceId, data: Uint8Array): ControlResult<void>;
  /** Sets the size of an instance's terminal. */
  resize(instance: InstanceId, columns: number, rows: number): ControlResult<void>;
  /** The raw bytes an instance writes to its standard output (its terminal), from a little before now on. */
  output(
    instance: InstanceId,
    backlogBytes: number,
    signal: AbortSignal,
  ): Result<AsyncIterable<Uint8Array>, ApiError['error']>;
  /** Runs a command beside an instance. Whoever asks closes the session. */
  exec(instance: InstanceId, command: ExecCommand): ControlResult<ExecSession>;
  /** Ends the daemon and leaves everything running, for another one to take over. */
  handOver(reason: string): void;
  /** Takes the lease if it is free; `release(false)` brings the project down, `release(true)` leaves it running. */
  lease(): LeaseHold | undefined;
}

export interface LeaseHold {
  release(detach: boolean): void;
}
