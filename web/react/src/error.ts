/** What went wrong, as the error object of every AgentAdmit endpoint says it. */
export class AgentAdmitError extends Error {
  override readonly name = "AgentAdmitError";
  /**
   * The code. Beside those of the protocol: `unreachable` (no answer), `unexpected` (an answer that
   * is not one of AgentAdmit).
   */
  readonly code: string;
  /** The HTTP status; 0 without an answer. */
  readonly status: number;
  /** The member that is wrong, such as `agent_label`. */
  readonly field: string | null;
  /** What the service's log calls this call. */
  readonly requestId: string | null;
  /** After how many seconds it may be tried again. */
  readonly retryAfter: number | null;

  constructor(
    code: string,
    message: string,
    more: {
      status?: number;
      field?: string | null | undefined;
      requestId?: string | null | undefined;
      retryAfter?: number | null;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: more.cause });
    this.code = code;
    this.status = more.status ?? 0;
    this.field = more.field ?? null;
    this.requestId = more.requestId ?? null;
    this.retryAfter = more.retryAfter ?? null;
  }
}
