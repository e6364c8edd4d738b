// Chromium's virtual authenticator.
import type { CDPSession, Page } from "playwright-core";

/** A device that makes passkeys and whose owner agrees to everything. */
export class Device {
  readonly #cdp: CDPSession;
  readonly #id: string;

  private constructor(cdp: CDPSession, id: string) {
    this.#cdp = cdp;
    this.#id = id;
  }

  static async of(page: Page): Promise<Device> {
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("WebAuthn.enable");
    const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    return new Device(cdp, authenticatorId);
  }

  /** Whether the owner shows a finger, or types the PIN. */
  async isVerified(isUserVerified: boolean) {
    await this.#cdp.send("WebAuthn.setUserVerified", { authenticatorId: this.#id, isUserVerified });
  }

  async forget() {
    await this.#cdp.send("WebAuthn.clearCredentials", { authenticatorId: this.#id });
  }

  async count(): Promise<number> {
    const asked = { authenticatorId: this.#id };
    return (await this.#cdp.send("WebAuthn.getCredentials", asked)).credentials.length;
  }
}
