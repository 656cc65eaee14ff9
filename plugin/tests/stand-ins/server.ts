// In place of NocoBase's plugin class.

export class Plugin {
  log: object;

  constructor(readonly app: { db: object; log: object }) {
    this.log = app.log;
  }

  get db() {
    return this.app.db;
  }
}
