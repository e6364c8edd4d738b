// What the stories ask of an official MCP client, whatever language its SDK is written in.

/** What a client needs from the one who uses it. */
export interface Told {
  /** The MCP server's address. Nothing else is told about it. */
  server: string;
  /** The revision of MCP that the SDK is told to speak. */
  revision: string;
  /** What the client calls itself where it registers. */
  name: string;
  /** Where browsers come back to. */
  redirect: string;
  /** Where its metadata document is, if it has one: an https address, which is its `client_id` then. */
  document?: string;
  /** A person follows a link: the address that their browser came back to. Rejects when nobody would. */
  open(url: string): Promise<string>;
}

/** The credential that a client keeps for its next start. */
export interface Kept {
  access: string;
  refresh: string | undefined;
  scope: string | undefined;
}

export interface McpClient {
  /** Connects, with what is kept where there is something: the revision that was agreed on. */
  start(): Promise<string>;
  /** The names of the tools that are listed. */
  tools(): Promise<string[]>;
  /** Calls a tool: its text. Whatever the SDK says instead of it rejects. */
  call(tool: string, given?: Record<string, unknown>): Promise<string>;
  /**
   * Asks for what the last refusal lacked, where the SDK does not do so by itself: by calls of its
   * documented interface.
   */
  widen(): Promise<void>;
  /** As many more hosts that start at once from what is kept, and list the notes twice: their texts. */
  crowd(count: number): Promise<string[]>;
  /** One that starts from what the SDK itself keeps, with nobody in front of it. */
  bare(): Promise<string[]>;
  kept(): Promise<Kept>;
  /** What time it is for the client, in milliseconds. */
  now(): Promise<number>;
  /** Ends the session. What is kept stays. */
  stop(): Promise<void>;
  /** Ends everything. */
  end(): void;
}

/** An official SDK at one version, speaking one revision. */
export interface Sdk {
  /** The language and the package. */
  name: string;
  version: string;
  revision: string;
  /** Whether the SDK asks the person for a scope that a call lacked by itself. */
  stepsUp: boolean;
  /** Whether what the SDK itself keeps is enough to refresh after a new start. */
  keepsEnough: boolean;
  /** Whether it runs apart, by the clock of its environment. */
  isProgram: boolean;
  make(told: Told, environment: Record<string, string>): McpClient;
}
