export interface TerminalListener {
  /** Bytes that were typed. */
  readonly data: (piece: Buffer) => void;
  readonly resize: () => void;
  /** The terminal is gone. */
  readonly hangUp: () => void;
  readonly terminate: () => void;
  /** In raw mode Ctrl-C is a key like any other; this one comes from elsewhere. */
  readonly interrupt: () => void;
  /** It was stopped, and goes on. */
  readonly goOn: () => void;
  /** Puts the terminal's mode back. */
  readonly restore: () => void;
}

export interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
}

/** Listens to everything of the process that matters to a whole screen. The answer undoes it all, and restores. */
export function listen({ stdin, stdout }: Terminal, to: TerminalListener): () => void {
  const { data, resize, hangUp, terminate, interrupt, goOn, restore } = to;
  stdin.on('data', data).on('end', hangUp).on('error', hangUp);
  stdout.on('resize', resize).on('error', hangUp);
  process
    .on('SIGTERM', terminate)
    .on('SIGQUIT', terminate)
    .on('SIGHUP', hangUp)
    .on('SIGINT', interrupt)
    .on('SIGCONT', goOn);
  // Before anything is said of a crash, so that it can be read.
  process.on('exit', restore).on('uncaughtExceptionMonitor', restore);
  return () => {
    stdin.off('data', data).off('end', hangUp).off('error', hangUp);
    stdout.off('resize', resize).off('error', hangUp);
    process
      .off('SIGTERM', terminate)
      .off('SIGQUIT', terminate)
      .off('SIGHUP', hangUp)
      .off('SIGINT', interrupt)
      .off('SIGCONT', goOn);
    process.off('exit', restore).off('uncaughtExceptionMonitor', restore);
    restore();
    stdin.pause();
  };
}
