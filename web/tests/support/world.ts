// A service and the sample shop in front of it, as processes, on real sockets.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Where the binaries are: what `cargo build` leaves, unless said. */
export const BINARIES =
  process.env.AGENTADMIT_BINARIES ??
  fileURLToPath(new URL("../../../target/debug", import.meta.url));

/** How long a process may take until it listens, in milliseconds. */
const START = 30_000;

export interface Scope {
  name: string;
  description: string;
  category?: string;
  sensitive?: boolean;
}

export const SCOPES: Scope[] = [
  {
    name: "read:orders",
    description: "See your orders and what was in them",
    category: "Orders",
  },
  { name: "track:orders", description: "Follow where a parcel is", category: "Orders" },
  { name: "read:profile", description: "See your name and your address", category: "You" },
  {
    name: "create:refunds",
    description: "Ask for your money back, to the card that you paid with",
    category: "Money",
    sensitive: true,
  },
];

export interface WorldOptions {
  name?: string;
  scopes?: Scope[];
  durations?: { label: string; seconds: number }[];
  /** The origin that people use, where it is not the shop's own. */
  publicUrl?: string;
  environment?: "test" | "live";
  plan?: object;
  /** Further flags of `serve`. */
  serve?: string[];
  /** Variables of `serve`. */
  serviceEnvironment?: Record<string, string>;
}

export class World {
  readonly shop: string;
  readonly service: string;
  readonly #operator: string;
  readonly #key: string;
  readonly appId: string;
  readonly #end: () => void;

  private constructor(
    parts: Record<"shop" | "service" | "operator" | "key" | "appId", string>,
    end: () => void,
  ) {
    this.shop = parts.shop;
    this.service = parts.service;
    this.#operator = parts.operator;
    this.#key = parts.key;
    this.appId = parts.appId;
    this.#end = end;
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const folder = mkdtempSync(join(tmpdir(), "agentadmit-web-"));
    const children: ChildProcess[] = [];
    const end = () => {
      for (const child of children) child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    };
    try {
      return await World.#inside(folder, children, end, options);
    } catch (error) {
      end();
      throw error;
    }
  }

  static async #inside(
    folder: string,
    children: ChildProcess[],
    end: () => void,
    options: WorldOptions,
  ): Promise<World> {
    const { name = "Corner shop", scopes = SCOPES, environment = "test" } = options;
    const store = `sqlite:${join(folder, "store.db")}`;
    const created = ["operator", "create", "--store", store, "--json"];
    const operator = JSON.parse(
      execFileSync(join(BINARIES, "agentadmit"), created, {
        env: environmentOf({}),
        stdio: ["ignore", "pipe", "ignore"],
      }).toString(),
    ).operator_token as string;
    const serve = ["serve", "--listen", "127.0.0.1:0", "--store", store, ...(options.serve ?? [])];
    const service = await listening(
      "agentadmit",
      serve,
      folder,
      options.serviceEnvironment ?? {},
      children,
    );

    const app = await ask(`${service}/v1/operator/apps`, operator, { name, scopes });
    const appId = app.app_id as string;
    const keys = `${service}/v1/operator/apps/${appId}/api-keys`;
    const key = (await ask(keys, operator, { environment })).api_key as string;
    // the catalogue of the operator is the one of both environments at first
    await ask(`${service}/v1/apps/${appId}/scopes`, key, { scopes }, "PUT");
    if (options.plan) {
      await ask(`${service}/v1/operator/apps/${appId}/plan`, operator, options.plan, "PUT");
    }

    // JSON is YAML
    const configuration = {
      name,
      service_url: service,
      app_id: appId,
      scopes,
      durations: options.durations ?? [
        { label: "One hour", seconds: 3_600 },
        { label: "One week", seconds: 604_800 },
        { label: "Thirty days", seconds: 2_592_000 },
      ],
      ...(options.publicUrl ? { public_url: options.publicUrl } : {}),
    };
    writeFileSync(join(folder, "agentadmit.yaml"), JSON.stringify(configuration));
    const environmentOfShop = { AGENTADMIT_API_KEY: key };
    const shop = await listening("axum-shop", ["127.0.0.1:0"], folder, environmentOfShop, children);
    const world = new World({ shop, service, operator, key, appId }, end);
    // where its home page lets people come back to
    await world.returnTo(`${options.publicUrl ?? shop}/`);
    return world;
  }

  end() {
    this.#end();
  }

  /** The catalogue of the running service; the shop keeps its own. */
  asApp(path: string, body?: object, method?: string) {
    return ask(`${this.service}${path}`, this.#key, body, method);
  }

  asOperator(path: string, body?: object, method?: string) {
    return ask(`${this.service}${path}`, this.#operator, body, method);
  }

  /** Lets users of the hosted consent page come back to this address. */
  async returnTo(url: string): Promise<void> {
    const settings = { redirect_uris: [url] };
    await this.asOperator(`/v1/operator/apps/${this.appId}`, { settings }, "PATCH");
  }

  /** Opens the hosted consent page: its address, for one browser, once. */
  async askConsent(body: object): Promise<string> {
    const opened = await this.asApp(`/v1/apps/${this.appId}/consent-sessions`, body);
    return opened.session_url as string;
  }

  /** What an agent does with what its human gave it: the access token. */
  async exchange(token: string, label?: string): Promise<string> {
    const body = label ? { token, agent_label: label } : { token };
    const answer = await ask(`${this.shop}/agentadmit/token/exchange`, null, body);
    return answer.access_token as string;
  }

  /** A call of an agent: the status. */
  async call(accessToken: string, path: string, method = "GET"): Promise<number> {
    const headers = { Authorization: `Bearer ${accessToken}`, "Content-Type": "application/json" };
    const init: RequestInit = { method, headers };
    if (method === "POST") init.body = JSON.stringify({ order: "A-1001" });
    return (await fetch(this.shop + path, init)).status;
  }

  /** A connection past the shop: its access token. */
  async connect(user: string, label: string, scopes: string[], more: object = {}): Promise<string> {
    const wanted = { user_id: user, agent_label: label, scopes, ...more };
    const issued = await this.asApp(`/v1/apps/${this.appId}/token`, wanted);
    return this.exchange(issued.token as string);
  }
}

/** None of the caller's own settings. */
export function environmentOf(more: Record<string, string>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("AGENTADMIT_"));
  return { ...Object.fromEntries(own), ...more };
}

/** Starts a program and waits until it says where it listens. */
function listening(
  program: string,
  options: string[],
  cwd: string,
  environment: Record<string, string>,
  children: ChildProcess[],
): Promise<string> {
  const env = environmentOf(environment);
  const child = spawn(join(BINARIES, program), options, {
    cwd,
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.push(child);
  return new Promise((found, failed) => {
    const said: string[] = [];
    const fail = (why: string) => failed(new Error(`${program} ${why}:\n${said.join("\n")}`));
    const timer = setTimeout(() => fail("does not listen"), START);
    child.once("error", () => fail("could not be started"));
    child.once("exit", (code) => fail(`ended with ${code}`));
    createInterface({ input: child.stderr as NonNullable<typeof child.stderr> }).on(
      "line",
      (line) => {
        said.push(line);
        const address = line.match(/^listening on (\S+)/)?.[1];
        if (!address) return;
        clearTimeout(timer);
        found(address);
      },
    );
  });
}

async function ask(
  url: string,
  bearer: string | null,
  body?: object,
  method = body ? "POST" : "GET",
): Promise<Record<string, unknown>> {
  const headers: Record<string, string> = {};
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(
    url,
    body ? { method, headers, body: JSON.stringify(body) } : { method, headers },
  );
  const said = (await answer.json()) as Record<string, unknown>;
  // an error names no secret
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${JSON.stringify(said)}`);
  return said;
}
