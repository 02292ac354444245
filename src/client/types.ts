import type {
  ActionRequest,
  ActionResponse,
  ApplyRequest,
  ApplyResponse,
  DaemonInfo,
  DownRequest,
  DownResponse,
  ExecCommand,
  ExecItem,
  ExplainResponse,
  LogLine,
  LogQuery,
  Operations,
  PlanResponse,
  ProjectSnapshot,
  ReloadRequest,
  ReloadResponse,
  StatsResponse,
  TimelineResponse,
  WatchItem,
} from '../core/api.ts';
import type { ProjectEvent } from '../core/event.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';

/** The daemon of one project, spoken to over its socket. Every method rejects with a `ClientError`. */
export interface DaemonClient {
  info(): Promise<DaemonInfo>;
  snapshot(): Promise<ProjectSnapshot>;
  plan(request: ApplyRequest): Promise<PlanResponse>;
  apply(request: ApplyRequest): Promise<ApplyResponse>;
  /** Has the daemon take the manifest up again as it was applied last. */
  reload(request: ReloadRequest): Promise<ReloadResponse>;
  /** Whether later changes of the manifest are held until a reload confirms them. */
  review(hold: boolean): Promise<void>;
  act(request: ActionRequest): Promise<ActionResponse>;
  /** Resolves once the project is down; may take as long as its shutdown does. */
  down(request: DownRequest): Promise<DownResponse>;
  explain(service: ServiceId): Promise<ExplainResponse>;
  events(query: EventQuery, signal?: AbortSignal): AsyncIterable<ProjectEvent>;
  /** Ends when a daemon that is followed ends in an orderly way, fails when it vanishes: then more is to come. */
  logs(query: LogQuery, signal?: AbortSignal): AsyncIterable<LogLine>;
  /** A snapshot first, then every change. Ends when the daemon goes away or `signal` aborts. */
  watch(signal?: AbortSignal): AsyncIterable<WatchItem>;
  stats(atOnce?: boolean): Promise<StatsResponse>;
  timeline(): Promise<TimelineResponse>;
  /**
   * Writes to an instance's standard input; resolves once the system has taken all of it, however long the instance
   * takes to read. What is written to one instance arrives in the order of the calls; where one fails, those that were
   * waiting behind it fail with it and write nothing. A copy is sent: the array may be used again at once.
   */
  input(instance: InstanceId, data: Uint8Array): Promise<void>;
  /** Sets the size of an instance's terminal, in character cells from 1 to 10,000. */
  resize(instance: InstanceId, columns: number, rows: number): Promise<void>;
  /**
   * The bytes that an instance writes to its standard output, beginning with up to `backlogBytes` (16 MiB at most) that
   * are already there. Ends when `signal` aborts or the daemon ends in an orderly way, fails when it vanishes.
   */
  output(instance: InstanceId, backlogBytes: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Runs a command beside an instance. It ends with the session, whoever closes it. */
  exec(instance: InstanceId, command: ExecCommand): Promise<ExecChannel>;
  /** Resolves once the daemon is about to end; services go on running, for another daemon to take over. */
  handOver(reason: string): Promise<void>;
  /** Undefined when another attached `up` holds the lease. */
  lease(): Promise<Lease | undefined>;
  close(): void;
}

/** A command that was begun, as its client has it. */
export interface ExecChannel {
  /** What it writes, and how it ended last. Fails when the daemon vanishes. To be gone through once. */
  readonly items: AsyncIterable<Exclude<ExecItem, { type: 'begun' }>>;
  /** In the order of the calls. */
  write(data: Uint8Array): Promise<void>;
  endInput(): Promise<void>;
  resize(columns: number, rows: number): Promise<void>;
  /** Ends the command, where it still runs. */
  close(): void;
}

/** Which entries of the journal. */
export type EventQuery = Operations['listEvents']['call']['query'];

/** While held, the end of this process (however it ends) brings the project down. */
export interface Lease {
  /** Gives the lease up and leaves the project running. */
  detach(): Promise<void>;
  /** Resolves when the daemon ended the connection. */
  readonly ended: Promise<void>;
}
