// What is chosen before and during a session; remembered by the browser, without any key.
import { Problem, ask } from './problems.js';
import { element } from './views.js';

const KEPT = 'playground';
const NAMES = ['transport', 'model', 'voice', 'instructions', 'tools', 'tool_choice'];
const TRANSCRIBER = 'gpt-4o-mini-transcribe';

export class Settings {
  constructor(form) {
    this.fields = form.elements;
    this.models = new Map();
    this.instructed = false;
    form.addEventListener('input', ({ target }) => {
      if (target.name === 'model') this.chosen();
      this.keep();
    });
  }

  get transport() { return this.fields.transport.value; }

  get model() { return this.fields.model.value; }

  takes(feature) { return this.models.get(this.model)?.features.includes(feature) ?? true; }

  async load() {
    const { models } = await (await ask('/playground/options')).json();
    this.models = new Map(models.map((model) => [model.name, model]));
    this.fields.model.replaceChildren(...models.map(({ name }) => element('option', { value: name, textContent: name })));
    const kept = this.kept();
    for (const name of NAMES.filter((one) => one !== 'voice')) this.put(name, kept[name]);
    this.chosen();
    this.put('voice', kept.voice);
  }

  // A voice belongs to its model: another model may not have it.
  chosen() {
    const { voices, voice } = this.models.get(this.model) ?? { voices: [], voice: '' };
    const before = this.fields.voice.value;
    this.fields.voice.replaceChildren(
      element('option', { value: '', textContent: `the model’s own (${voice})` }),
      ...voices.map((name) => element('option', { value: name, textContent: name })),
    );
    this.put('voice', before);
    for (const name of ['tools', 'tool_choice']) this.fields[name].disabled = !this.takes('tools');
  }

  put(name, value) {
    const field = this.fields[name];
    if (value === undefined || (field.options && ![...field.options].some((one) => one.value === value))) return;
    field.value = value;
  }

  kept() {
    try {
      return JSON.parse(localStorage.getItem(KEPT)) ?? {};
    } catch {
      return {};
    }
  }

  keep() {
    const values = Object.fromEntries(NAMES.map((name) => [name, this.fields[name].value]));
    try {
      localStorage.setItem(KEPT, JSON.stringify(values));
    } catch { /* a browser that keeps nothing is no reason to fail */ }
  }

  tools() {
    const text = this.fields.tools.value.trim();
    if (!text || !this.takes('tools')) return [];
    let tools = null;
    try {
      tools = JSON.parse(text);
    } catch { /* told below */ }
    if (!Array.isArray(tools) || tools.some((tool) => typeof tool?.type !== 'string')) throw new Problem('tools');
    return tools;
  }

  // What may change while the session runs; instructions that it was given can be taken back.
  changeable() {
    const tools = this.tools();
    const instructions = this.fields.instructions.value.trim();
    const told = Boolean(instructions) || this.instructed;
    this.instructed = Boolean(instructions);
    return {
      type: 'realtime',
      ...(told ? { instructions } : {}),
      ...(this.takes('tools') ? { tools, tool_choice: tools.length ? this.fields.tool_choice.value : 'auto' } : {}),
    };
  }

  session() {
    this.instructed = false;
    const input = this.takes('transcription') ? { input: { transcription: { model: TRANSCRIBER } } } : {};
    const voice = this.fields.voice.value;
    return { ...this.changeable(), audio: { ...input, ...(voice ? { output: { voice } } : {}) } };
  }
}
