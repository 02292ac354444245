/** What travels between the daemon and its clients under /v1: the types of the contract, schema/api.json. */
import type { InstanceId } from './service.ts';
import type { LogLine, Selector } from './generated/api.ts';

export { API_VERSION, endpoints } from './generated/api.ts';
export type {
  ActionRequest,
  ActionResponse,
  ApiError,
  ApplyRequest,
  ApplyResponse,
  CleanupReport,
  DaemonInfo,
  DependencyView,
  DownRequest,
  DownResponse,
  ExecCommand,
  ExecItem,
  ExplainResponse,
  FailedChange,
  InstanceDetails,
  InstanceStats,
  LeaseLine,
  Leftover,
  LogLine,
  ManifestStatus,
  OperationId,
  Operations,
  PlanCounts,
  PlanResponse,
  ProcessView,
  ProjectSnapshot,
  ReloadRequest,
  ReloadResponse,
  ReviewRequest,
  Selector,
  ServiceSnapshot,
  StatsResponse,
  TimelineResponse,
  TimelineRow,
  WatchItem,
} from './generated/api.ts';

/** Which lines of the logs are asked for. */
export interface LogQuery {
  readonly select: Selector;
  /** Last n lines of each instance's streams together; absent: all. */
  readonly tail?: number;
  readonly follow: boolean;
  /** Epoch ms. */
  readonly since?: number;
  readonly stream?: LogLine['stream'];
  /** The run before the present one. */
  readonly previous?: boolean;
  /**
   * How far somebody has come who now goes on: a stream named here begins with the line after that place, whatever
   * `tail` and `since` say. What has been cut off meanwhile is counted as skipped.
   */
  readonly after?: readonly LogPlace[];
}

/** Where a line of an instance's output is, as `LogLine` tells it. */
export interface LogPlace {
  readonly instance: InstanceId;
  readonly stream: LogLine['stream'];
  readonly at: number;
}
