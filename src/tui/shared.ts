/** The words and helpers that the command line and the TUI share; all of them pure. */
export { DetachKeys } from '../cli/detach-keys.ts';
export { beginDown, downRows, hearStop, seeDown, type DownMemory } from '../cli/down-progress.ts';
export { explainFacts } from '../cli/explain-facts.ts';
export { palette } from '../cli/output/colour.ts';
export { diagnosticsText, tally } from '../cli/output/diagnostics.ts';
export { tell, tellBriefly } from '../cli/output/happening.ts';
export { TerminalModes } from '../cli/output/terminal-modes.ts';
export { clockTime, count, oneLine } from '../cli/output/text.ts';
export { timelineText } from '../cli/output/timeline.ts';
export { displayWidth } from '../cli/output/width.ts';
export { percentText } from '../cli/stats.ts';
export { displayNames, shownInstances, type NamedInstance } from '../cli/view.ts';
export { LogCursor } from '../cli/log-cursor.ts';
