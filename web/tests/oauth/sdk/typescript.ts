// The official TypeScript SDK, both of its lines, in this process.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as second from "@modelcontextprotocol/client";
import * as firstAuth from "@modelcontextprotocol/sdk/client/auth.js";
import { Client as FirstClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as FirstTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Kept, McpClient, Sdk, Told } from "./client.js";

const MODERN = "2026-07-28";

interface Tokens {
  access_token: string;
  refresh_token?: string | undefined;
  scope?: string | undefined;
}

/** What a host writes down for one server. */
interface Book {
  client: unknown;
  tokens: Tokens | undefined;
}

/** The documented provider of either line: what an MCP host keeps, and where it sends people. */
class Host {
  readonly #book: Book;
  readonly #told: Told;
  sentTo: URL | undefined;
  #verifier = "";
  #state = "";
  #discovered: unknown;
  /** While a wider grant is asked for: a refresh token would only bring the same scopes again. */
  withoutRefresh = false;

  constructor(told: Told, book: Book) {
    this.#told = told;
    this.#book = book;
  }

  get redirectUrl() {
    return this.#told.redirect;
  }
  get clientMetadataUrl() {
    return this.#told.document;
  }
  get clientMetadata() {
    return {
      client_name: this.#told.name,
      redirect_uris: [this.#told.redirect],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }
  state() {
    this.#state = crypto.randomUUID();
    return this.#state;
  }
  clientInformation() {
    return this.#book.client;
  }
  saveClientInformation(client: unknown) {
    this.#book.client = client;
  }
  tokens() {
    const { tokens } = this.#book;
    return tokens && this.withoutRefresh ? { ...tokens, refresh_token: undefined } : tokens;
  }
  saveTokens(tokens: Tokens) {
    this.#book.tokens = tokens;
  }
  redirectToAuthorization(url: URL) {
    this.sentTo = url;
  }
  saveCodeVerifier(verifier: string) {
    this.#verifier = verifier;
  }
  codeVerifier() {
    return this.#verifier;
  }
  discoveryState() {
    return this.#discovered;
  }
  saveDiscoveryState(state: unknown) {
    this.#discovered = state;
  }
  invalidateCredentials(what: string) {
    if (what === "all" || what === "client") this.#book.client = undefined;
    if (what === "all" || what === "tokens") this.#book.tokens = undefined;
    if (what === "all" || what === "discovery") this.#discovered = undefined;
  }

  /** The person follows the link that the SDK made: what came back, for the state of this host alone. */
  async visit(): Promise<URLSearchParams> {
    const { sentTo } = this;
    if (!sentTo) throw new Error("the SDK wants somebody to sign in, and sends nobody anywhere");
    this.sentTo = undefined;
    const back = new URL(await this.#told.open(sentTo.toString())).searchParams;
    if (back.get("state") !== this.#state) throw new Error("an answer to another question");
    return back;
  }
}

interface Transport {
  close(): Promise<void>;
}

interface Client {
  connect(transport: Transport): Promise<void>;
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(call: object): Promise<object>;
  close(): Promise<void>;
}

/** Where the two lines differ. */
interface Line {
  client(revision: string): Client;
  transport(server: URL, host: Host, fetching: typeof fetch): Transport;
  finish(transport: Transport, back: URLSearchParams): Promise<void>;
  /** Whether it is the one error that says: the person was sent away, go on when they are back. */
  isSentAway(error: unknown): boolean;
  agreed(client: Client, transport: Transport): string | undefined;
  challenge(response: Response): { scope?: string | undefined };
  /** Begins again, for these scopes. */
  reauthorize(host: Host, server: URL, scope: string): Promise<unknown>;
}

const ME = { name: "agentadmit-tests", version: "1" };

const FIRST: Line = {
  client: () => new FirstClient(ME) as unknown as Client,
  transport: (server, host, fetching) =>
    new FirstTransport(server, {
      authProvider: host as unknown as firstAuth.OAuthClientProvider,
      fetch: fetching,
    }) as Transport,
  finish: (transport, back) =>
    (transport as unknown as FirstTransport).finishAuth(back.get("code") as string),
  isSentAway: (error) => error instanceof firstAuth.UnauthorizedError,
  agreed: (_, transport) => (transport as unknown as FirstTransport).protocolVersion,
  challenge: firstAuth.extractWWWAuthenticateParams,
  reauthorize: (host, serverUrl, scope) =>
    firstAuth.auth(host as unknown as firstAuth.OAuthClientProvider, { serverUrl, scope }),
};

const SECOND: Line = {
  client: (revision) =>
    new second.Client(
      ME,
      revision === MODERN
        ? { versionNegotiation: { mode: { pin: revision } } }
        : { supportedProtocolVersions: [revision] },
    ) as unknown as Client,
  transport: (server, host, fetching) =>
    new second.StreamableHTTPClientTransport(server, {
      authProvider: host as unknown as second.OAuthClientProvider,
      fetch: fetching,
    }) as unknown as Transport,
  finish: (transport, back) =>
    (transport as unknown as second.StreamableHTTPClientTransport).finishAuth(back),
  isSentAway: (error) => error instanceof second.UnauthorizedError,
  agreed: (client) => (client as unknown as second.Client).getNegotiatedProtocolVersion(),
  challenge: second.extractWWWAuthenticateParams,
  reauthorize: (host, serverUrl, scope) =>
    second.auth(host as unknown as second.OAuthClientProvider, { serverUrl, scope }),
};

class TypeScriptClient implements McpClient {
  readonly #line: Line;
  readonly #told: Told;
  readonly #book: Book;
  readonly #host: Host;
  readonly #server: URL;
  #client: Client | undefined;
  #transport: Transport | undefined;
  #lacked = "";

  constructor(line: Line, told: Told, book: Book = { client: undefined, tokens: undefined }) {
    this.#line = line;
    this.#told = told;
    this.#book = book;
    this.#host = new Host(told, book);
    this.#server = new URL(told.server);
  }

  async start(): Promise<string> {
    try {
      await this.#connect();
    } catch (error) {
      if (!this.#line.isSentAway(error)) throw error;
      await this.#comeBack();
      await this.#connect();
    }
    return (this.#client && this.#line.agreed(this.#client, this.#transport as Transport)) ?? "";
  }

  async #connect() {
    const fetching: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (response.status === 403) this.#lacked = this.#line.challenge(response).scope ?? "";
      return response;
    };
    this.#client = this.#line.client(this.#told.revision);
    this.#transport = this.#line.transport(this.#server, this.#host, fetching);
    await this.#client.connect(this.#transport);
  }

  async #comeBack() {
    const back = await this.#host.visit();
    await this.#line.finish(this.#transport as Transport, back);
  }

  async tools(): Promise<string[]> {
    return (await this.#running().listTools()).tools.map((tool) => tool.name);
  }

  async call(tool: string, given: Record<string, unknown> = {}): Promise<string> {
    const ask = () => this.#running().callTool({ name: tool, arguments: given });
    const result = await ask().catch(async (error: unknown) => {
      if (!this.#line.isSentAway(error)) throw error;
      await this.#comeBack();
      return ask();
    });
    return textOf(result);
  }

  async widen() {
    const granted = this.#book.tokens?.scope ?? "";
    this.#host.withoutRefresh = true;
    try {
      await this.#line.reauthorize(this.#host, this.#server, `${granted} ${this.#lacked}`.trim());
      await this.#comeBack();
    } finally {
      this.#host.withoutRefresh = false;
    }
  }

  async crowd(count: number): Promise<string[]> {
    const hosts = Array.from({ length: count }, () => {
      // each has read the same file, and writes down what it got
      return new TypeScriptClient(this.#line, this.#told, structuredClone(this.#book));
    });
    try {
      const said = await Promise.all(
        hosts.map(async (host) => {
          await host.start();
          return host.call("list_notes");
        }),
      );
      const again = await Promise.all(hosts.map((host) => host.call("list_notes")));
      for (const host of hosts) Object.assign(this.#book, host.#book); // the last one has written last
      return [...said, ...again];
    } finally {
      await Promise.all(hosts.map((host) => host.stop()));
    }
  }

  bare() {
    return this.crowd(1);
  }

  async kept(): Promise<Kept> {
    const { tokens } = this.#book;
    if (!tokens) throw new Error("nothing is kept");
    return { access: tokens.access_token, refresh: tokens.refresh_token, scope: tokens.scope };
  }

  async now() {
    return Date.now();
  }

  async stop() {
    await this.#client?.close();
    this.#client = undefined;
  }

  end() {
    this.stop().catch(() => {});
  }

  #running(): Client {
    if (!this.#client) throw new Error("it was not started");
    return this.#client;
  }
}

function textOf(result: object): string {
  const { content, isError } = result as { content: { text?: string }[]; isError?: boolean };
  const text = content.map((part) => part.text ?? "").join("\n");
  if (isError) throw new Error(text);
  return text;
}

function versionOf(name: string): string {
  const manifest = new URL(`../../../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(fileURLToPath(manifest), "utf8")).version;
}

function of(line: Line, name: string, revision: string): Sdk {
  return {
    name: `TypeScript, ${name}`,
    version: versionOf(name),
    revision,
    stepsUp: line === SECOND,
    keepsEnough: true,
    isProgram: false,
    make: (told) => new TypeScriptClient(line, told),
  };
}

export const TYPESCRIPT: Sdk[] = [
  of(FIRST, "@modelcontextprotocol/sdk", "2025-11-25"),
  ...["2025-06-18", "2025-11-25", MODERN].map((it) =>
    of(SECOND, "@modelcontextprotocol/client", it),
  ),
];
