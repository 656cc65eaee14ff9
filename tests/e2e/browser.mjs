// NocoBase's screens in Debian's Chromium: both clients, canvases, drawers and variable pickers.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const { NB_URL, CHROMIUM } = process.env;
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const LONGEST_MS = 60_000;

/** Where the clients have their pages. */
export const CLIENTS = {
  classic: { list: '/admin/settings/workflow', canvas: '/admin/settings/workflow/workflows' },
  newer: { list: '/v/admin/settings/workflow', canvas: '/v/admin/workflow/workflows' },
};

/** Opens a browser that is signed in, and hands a page to `use`. */
export async function inBrowser(token, use, { locale = 'en-US' } = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'sidehook-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args: ARGUMENTS,
    viewport: { width: 1440, height: 900 },
    locale,
    timezoneId: 'UTC',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  try {
    context.setDefaultTimeout(LONGEST_MS);
    const settings = { TOKEN: token, AUTH: 'basic', LOCALE: locale, ROLE: 'root' };
    await context.addInitScript((values) => {
      for (const [name, value] of Object.entries(values)) localStorage.setItem(`NOCOBASE_${name}`, value);
    }, settings);
    return await use(new Screen(await context.newPage()));
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** A page of NocoBase. It counts the clicks. */
export class Screen {
  clicks = 0;
  /** What the page has thrown. */
  faults = [];

  constructor(page) {
    this.page = page;
    page.on('pageerror', (error) => this.faults.push(error.message.slice(0, 300)));
  }

  async goto(path) {
    await this.page.goto(NB_URL + path, { waitUntil: 'domcontentloaded' });
  }

  async click(locator) {
    this.clicks += 1;
    await locator.click();
  }

  get drawer() {
    return this.page.locator('.ant-drawer-content:visible').last();
  }

  /** Opens the drawer of the trigger, or of the node with this title. */
  async openCard(title) {
    const label = title ? `[aria-label$="-${title}"]` : '[aria-label^="Trigger-"]';
    await this.click(this.page.locator(`${label} .workflow-node-meta`).first());
    await this.drawer.getByRole('button', { name: 'Close' }).first().waitFor();
    return this.drawer;
  }

  async submit() {
    const { drawer } = this;
    await this.click(drawer.getByRole('button', { name: 'Submit' }));
    await drawer.waitFor({ state: 'hidden' });
  }

  async close() {
    const { drawer } = this;
    await this.page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'hidden' });
  }
}
