// The plugin's half in NocoBase's classic client. It shares its forms with the newer one.

import { Plugin } from '@nocobase/client';
import { register } from '../forms/register';

export default class PluginSidehookClient extends Plugin {
  async load() {
    register(this.app.pm.get('workflow'));
  }
}
