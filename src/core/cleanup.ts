import type { CleanupReport } from './api.ts';

export const NOTHING_REMOVED: CleanupReport = { containers: [], networks: [], volumes: [], failed: [] };

/** What several removed, as one. */
export function joinReports(reports: readonly CleanupReport[]): CleanupReport {
  return {
    containers: reports.flatMap(({ containers }) => containers),
    networks: reports.flatMap(({ networks }) => networks),
    volumes: reports.flatMap(({ volumes }) => volumes),
    failed: reports.flatMap(({ failed }) => failed),
  };
}
