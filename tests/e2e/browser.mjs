// NocoBase's screens in Debian's Chromium: both clients, canvases, drawers and variable pickers.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const { NB_URL, CHROMIUM, PICTURES } = process.env;
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const TIMEOUT_MS = 180_000;
const VIEWPORT = { width: 1280, height: 800 };

/** Where the clients have their pages. */
export const CLIENTS = {
  classic: { list: '/admin/settings/workflow', workflow: '/admin/settings/workflow' },
  newer: { list: '/v/admin/settings/workflow', workflow: '/v/admin/workflow' },
};

/** A page of the plugin in a client: `requests` or `status`. */
export const pageOf = (client, page) => `${client === 'newer' ? '/v' : ''}/admin/settings/sidehook/${page}`;

/** Opens a browser that is signed in, and hands a page to `use`. */
export async function inBrowser(token, use, { locale = 'en-US', role = 'root' } = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'sidehook-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args: ARGUMENTS,
    viewport: VIEWPORT,
    locale,
    timezoneId: 'UTC',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  try {
    context.setDefaultTimeout(TIMEOUT_MS);
    const settings = { TOKEN: token, AUTH: 'basic', LOCALE: locale, ROLE: role };
    await context.addInitScript((values) => {
      for (const [name, value] of Object.entries(values)) localStorage.setItem(`NOCOBASE_${name}`, value);
    }, settings);
    const screen = new Screen(await context.newPage());
    try {
      return await use(screen);
    } catch (error) {
      await screen.page.screenshot({ path: join(process.env.HOME_DIR, 'logs', 'forms.png') }).catch(() => {});
      throw error;
    }
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** A page of NocoBase. It counts the clicks. */
export class Screen {
  clicks = 0;
  /** Whether pictures for the tutorial are taken. */
  hasPictures = false;
  /** What the page has thrown. */
  faults = [];

  constructor(page) {
    this.page = page;
    // NocoBase leaves it unhandled when a form is refused, which antd tells by throwing an object.
    page.on('pageerror', ({ message }) => message === 'Object' || this.faults.push(message.slice(0, 300)));
  }

  async goto(path) {
    await this.page.goto(NB_URL + path, { waitUntil: 'domcontentloaded' });
  }

  async click(locator) {
    this.clicks += 1;
    await locator.click();
  }

  button(name) {
    return this.page.getByRole('button', { name, exact: true });
  }

  get drawer() {
    return this.page.locator('.ant-drawer-content:visible').last();
  }

  /** Cards are called by type and title. */
  card(type, index = 0) {
    return this.page.locator(`[aria-label^="${type}-"][role="button"]`).nth(index);
  }

  /** Opens the drawer of the trigger, or of the nth node of a type. */
  async openCard(type = 'Trigger', index = 0) {
    await this.click(this.card(type, index).locator('.workflow-node-meta').first());
    await this.drawer.getByText(type === 'Trigger' ? 'Trigger type' : 'Node type').waitFor();
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

  /** Chooses one of the options of a select. */
  async choose(select, label) {
    await this.click(select);
    const option = this.page.locator('.ant-select-dropdown:visible .ant-select-item-option');
    await this.click(option.filter({ hasText: label }).first());
  }

  /** Adds a node at the nth plus sign, from top to bottom and from left to right. */
  async addNode(type, index) {
    await this.click(this.page.locator('[aria-label^="add-button"]').nth(index));
    await this.click(this.drawer.getByText(type, { exact: true }).last());
  }

  /** Picks a variable of the trigger for the field in which `button` is. */
  async pick(button, labels) {
    await this.click(button);
    for (const label of ['Trigger variables', ...labels]) {
      const item = this.page.locator('.ant-cascader-menu-item:visible').filter({ hasText: label }).last();
      await this.click(item);
    }
    await this.page.locator('.ant-cascader-menu-item:visible').last().waitFor({ state: 'hidden' });
  }

  /** Fills in a field of text and variables; typed keys get mixed up there. */
  async type(field, text) {
    await field.focus();
    await this.page.keyboard.insertText(text);
  }

  /** Takes a picture of a page that is so high. */
  async highPicture(name, height) {
    if (!PICTURES || !this.hasPictures) return;
    await this.page.setViewportSize({ ...VIEWPORT, height });
    await this.picture(name);
    await this.page.setViewportSize(VIEWPORT);
  }

  /** Takes a picture for the tutorial, of the whole page or of a part of it. */
  async picture(name, part = this.page) {
    if (!PICTURES || !this.hasPictures) return;
    await this.page.waitForTimeout(1500);
    await part.screenshot({ path: join(PICTURES, `${name}.png`) });
  }
}
