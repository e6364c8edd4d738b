import { render } from "preact";
import type { ReactNode } from "react";
import { ar } from "../../react/src/strings/ar.js";
import { en, type Strings } from "../../react/src/strings/en.js";
import css from "../../react/src/styles.css";
import type { ConsentRequest } from "../../react/src/types.js";
import { AgentAdmitAdminPanel } from "../../react/src/ui/admin/Panel.js";
import { ConnectAgentButton } from "../../react/src/ui/ConnectAgentButton.js";
import type { FrameProps, HeadingLevel } from "../../react/src/ui/Frame.js";
import { AgentAdmitPanel } from "../../react/src/ui/Panel.js";

const LANGUAGES: Record<string, Strings> = { en, ar };

let sheet: CSSStyleSheet | undefined;

/** A sheet that was constructed needs no `style-src` of the page. */
function styles(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
  }
  return sheet;
}

const ATTRIBUTES = ["base", "heading-level", "lang", "purpose", "theme"];

/** A panel behind a shadow root: the page's sheet does not reach it, its variables do. */
abstract class PanelElement extends HTMLElement {
  static readonly observedAttributes: readonly string[] = ATTRIBUTES;
  #root: ShadowRoot | undefined;

  protected abstract panel(frame: FrameProps): ReactNode;

  connectedCallback() {
    if (!this.#root) {
      this.#root = this.attachShadow({ mode: "open" });
      this.#root.adoptedStyleSheets = [styles()];
    }
    this.#draw();
  }

  /** What is not on the page holds nothing, a token least of all. */
  disconnectedCallback() {
    if (this.#root) render(null, this.#root);
  }

  attributeChangedCallback() {
    if (this.isConnected && this.#root) this.#draw();
  }

  #draw() {
    const frame: FrameProps = {
      base: this.getAttribute("base") ?? undefined,
      strings: LANGUAGES[this.#language()] ?? en,
      theme: themeOf(this.getAttribute("theme")),
      headingLevel: levelOf(this.getAttribute("heading-level")),
    };
    if (this.#root) render(this.panel(frame) as never, this.#root);
  }

  /** Its own, else that of the page around it, else the browser's. */
  #language(): string {
    const tag = this.closest("[lang]")?.getAttribute("lang") || navigator.language;
    return tag.toLowerCase().split("-")[0] ?? "en";
  }
}

function themeOf(text: string | null): FrameProps["theme"] {
  return text === "light" || text === "dark" || text === "system" ? text : "inherit";
}

function levelOf(text: string | null): HeadingLevel {
  const level = Number(text);
  return level === 3 || level === 4 || level === 5 ? level : 2;
}

class AgentAdmitPanelElement extends PanelElement {
  protected override panel(frame: FrameProps) {
    return <AgentAdmitPanel {...frame} purpose={this.getAttribute("purpose") ?? undefined} />;
  }
}

class AgentAdmitAdminPanelElement extends PanelElement {
  protected override panel(frame: FrameProps) {
    return <AgentAdmitAdminPanel {...frame} />;
  }
}

/** The way to the service's own consent page. */
class AgentAdmitConnectElement extends PanelElement {
  static override readonly observedAttributes = [...ATTRIBUTES, "return-url"];

  protected override panel(frame: FrameProps) {
    const request: ConsentRequest = {};
    const purpose = this.getAttribute("purpose");
    const back = this.getAttribute("return-url");
    if (purpose) request.purpose = purpose;
    if (back) request.return_url = back;
    return <ConnectAgentButton {...frame} request={request} />;
  }
}

// a page may load the file twice
if (!customElements.get("agentadmit-panel")) {
  customElements.define("agentadmit-panel", AgentAdmitPanelElement);
  customElements.define("agentadmit-admin-panel", AgentAdmitAdminPanelElement);
  customElements.define("agentadmit-connect", AgentAdmitConnectElement);
}
