/** Everything outside the program, handed in: files, environment, clock, randomness, processes. Tests hand in others. */
export interface Host {
  readonly files: Files;
  /** The process environment, as it was at the start. */
  readonly env: Readonly<Record<string, string | undefined>>;
  now(): Date;
  /** Resolves after `milliseconds`. */
  sleep(milliseconds: number): Promise<void>;
  randomBytes(length: number): Uint8Array;
  /** A number in [0, 1) for jitter; nothing secret depends on it. */
  random(): number;
  run(command: Command): Promise<Completed>;
  /** All of standard input, at most `limit` bytes. */
  readStdin(limit: number): Promise<Uint8Array>;
  readonly homeDirectory: string;
  readonly temporaryDirectory: string;
  /** Is told each secret that the program is given by others, before its first use, where logs are cleaned of such texts. */
  readonly mask?: ((secret: string) => void) | undefined;
}

export interface Files {
  /** @throws E_FILE_UNREADABLE, E_FILE_TOO_LARGE. */
  read(path: string, limit: number): Promise<Uint8Array>;
  exists(path: string): Promise<boolean>;
  /** Names in a folder; an absent folder has none. */
  list(path: string): Promise<readonly string[]>;
  /** Whether the name itself is a symbolic link, wherever it leads; what is absent is none. */
  isLink(path: string): Promise<boolean>;
  /** Written whole beside its place, then renamed into it. `exclusive`: E_FILE_EXISTS when it is there already. Makes parent folders. */
  write(
    path: string,
    bytes: Uint8Array,
    options?: { readonly exclusive?: boolean; readonly mode?: number },
  ): Promise<void>;
  /** Bytes of a file; undefined when it is not there. */
  size(path: string): Promise<number | undefined>;
  /** The bytes of a file as they are read. @throws E_FILE_UNREADABLE. */
  open(path: string): AsyncIterable<Uint8Array>;
  /** As `write`, of bytes as they come; what `chunks` throws leaves nothing behind. */
  writeFrom(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  remove(path: string): Promise<void>;
}

export interface Command {
  /** Program and arguments; no shell. */
  readonly argv: readonly [string, ...string[]];
  readonly stdin?: Uint8Array | undefined;
  /** Names passed on beside PATH, HOME, TMPDIR, LANG and the proxies'. */
  readonly passEnv?: readonly string[] | undefined;
  readonly timeout: number;
  /** Bytes of standard output, and of standard error. */
  readonly outputLimit: number;
}

export interface Completed {
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}
