/** What a step can tell the runner of GitHub Actions. */
export interface Runner {
  /** Hides a text from the log from here on. */
  mask(secret: string): void;
  /**
   * Writes text that holds no workflow command: while it is written the runner reads none.
   * @param guard a word that nobody can guess
   */
  print(text: string, guard: string): void;
  /** Writes workflow commands, encoded already. */
  command(text: string): void;
  startGroup(title: string): void;
  endGroup(): void;
  setOutput(name: string, value: string): Promise<void>;
  /** Keeps a value for the post step of this step. */
  saveState(name: string, value: string): Promise<void>;
  addPath(folder: string): Promise<void>;
  /** Adds Markdown to the job's summary. */
  addSummary(markdown: string): Promise<void>;
}

/** The runner that started this process, by its own toolkit, which writes to its files and to standard output. */
export async function createRunner(): Promise<Runner> {
  const core = await import("@actions/core");
  const write = (text: string) => void process.stdout.write(text);
  return {
    mask: (secret) => core.setSecret(secret),
    print(text, guard) {
      const end = text.endsWith("\n") ? "" : "\n";
      write(`::stop-commands::${guard}\n${text}${end}::${guard}::\n`);
    },
    command: write,
    startGroup: (title) => core.startGroup(title),
    endGroup: () => core.endGroup(),
    setOutput: async (name, value) => core.setOutput(name, value),
    saveState: async (name, value) => core.saveState(name, value),
    addPath: async (folder) => core.addPath(folder),
    addSummary: async (markdown) => void (await core.summary.addRaw(markdown, true).write()),
  };
}
