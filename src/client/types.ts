import type {
  ActionRequest,
  ActionResponse,
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
import type { ServiceId } from '../core/service.ts';

/** The daemon of one project, spoken to over its socket. Every method rejects with a `ClientError`. */
export interface DaemonClient {
  info(): Promise<DaemonInfo>;
  snapshot(): Promise<ProjectSnapshot>;
  plan(request: ApplyRequest): Promise<PlanResponse>;
  apply(request: ApplyRequest): Promise<ApplyResponse>;
  act(request: ActionRequest): Promise<ActionResponse>;
  /** Resolves once the project is down; may take as long as its shutdown does. */
  down(request: DownRequest): Promise<DownResponse>;
  explain(service: ServiceId): Promise<ExplainResponse>;
  events(query: EventQuery, signal?: AbortSignal): AsyncIterable<Happening>;
  logs(query: LogQuery, signal?: AbortSignal): AsyncIterable<LogLine>;
  /** A snapshot first, then every change. Ends when the daemon goes away or `signal` aborts. */
  watch(signal?: AbortSignal): AsyncIterable<WatchItem>;
  /** Undefined when another attached `up` holds the lease. */
  lease(): Promise<Lease | undefined>;
  close(): void;
}

export interface EventQuery {
  /** The newest n that are already there. */
  readonly limit: number;
  readonly follow: boolean;
  readonly service?: ServiceId;
}

/** While held, the end of this process (however it ends) brings the project down. */
export interface Lease {
  /** Gives the lease up and leaves the project running. */
  detach(): Promise<void>;
  /** Resolves when the daemon ended the connection. */
  readonly ended: Promise<void>;
}
