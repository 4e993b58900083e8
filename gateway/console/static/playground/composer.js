// What is written, shown and answered by hand while a session runs.
import { Problem } from './problems.js';
import { element, newId } from './views.js';

const MOST_IMAGE_BYTES = 180000; // a data channel bears 256 KiB, an image grows by a third
const PICTURES = ['image/png', 'image/jpeg'];

export class Composer {
  constructor(page) {
    Object.assign(this, page);
    this.live = false;
    const { image } = this.form.elements;
    const name = () => { this.picked.textContent = image.files.length ? `Image: ${image.files[0].name}` : 'Image'; };
    image.addEventListener('change', name);
    this.form.addEventListener('reset', () => setTimeout(name)); // the field is empty after the event
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.written().catch((problem) => this.explain(Problem.from(problem)));
    });
  }

  enable(live) {
    this.live = live;
    for (const field of this.form.elements) field.disabled = !live;
    if (!this.settings.takes('images')) this.form.elements.image.disabled = true;
  }

  async written() {
    const text = this.form.elements.text.value.trim();
    const [file] = this.form.elements.image.files;
    if (!this.live || (!text && !file)) return;
    const url = file && await this.picture(file);
    const id = newId('item');
    const content = text ? [{ type: 'input_text', text }] : [];
    if (url) {
      content.push({ type: 'input_image', image_url: url });
      this.transcript.image(id, url);
    }
    this.send({ type: 'conversation.item.create', item: { id, type: 'message', role: 'user', content } });
    this.respond();
    this.form.reset();
  }

  picture(file) {
    if (!PICTURES.includes(file.type)) throw new Problem('picture');
    if (file.size > MOST_IMAGE_BYTES && this.settings.transport === 'webrtc') throw new Problem('image');
    return new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.onerror = () => reject(new Problem('picture'));
      reader.readAsDataURL(file);
    });
  }

  respond() {
    this.asked();
    this.send({ type: 'response.create' });
  }

  // A function's call becomes a form; whoever reads the page is told, whoever writes is left alone.
  called({ call_id: callId, name, arguments: given }) {
    const output = element('input', { name: 'output', autocomplete: 'off' });
    output.setAttribute('aria-label', `Result of ${name}`);
    const answer = element('form', {}, element('code', { textContent: `${name}(${given})` }),
      element('div', { className: 'row' }, output, element('button', { textContent: 'Answer' })));
    answer.setAttribute('aria-label', `Call of ${name}`);
    answer.addEventListener('submit', (event) => {
      event.preventDefault();
      this.send({ type: 'conversation.item.create', item: { type: 'function_call_output', call_id: callId, output: output.value } });
      answer.remove();
      this.form.elements.text.focus();
      if (!this.calls.childElementCount) this.respond(); // calls made together are answered together
    });
    this.calls.append(answer);
    this.tell(`The model calls ${name} with ${given}. Answer in the conversation.`);
    if (document.activeElement === document.body) output.focus();
  }

  forget() { this.calls.replaceChildren(); }
}
