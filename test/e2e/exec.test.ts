import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isRunning } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { requireTmux, Tmux } from '../rig/terminal.ts';
import { eventually } from '../rig/wait.ts';
