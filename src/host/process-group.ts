/** Signals all processes of a group, named by its leader's pid. Nothing happens where there is none of them any more. */
export function signalGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, signal);
  } catch {
    // It has ended.
  }
}
