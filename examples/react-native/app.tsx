// One screen: a field, a button, and the texts from the API.
import { useState } from 'react';
import { Button, SafeAreaView, Text, TextInput } from 'react-native';
import { addNote, type Note } from './notes.ts';

export function App() {
  const [text, setText] = useState('hello');
  const [notes, setNotes] = useState<readonly Note[]>([]);
  const [problem, setProblem] = useState('');

  async function send(): Promise<void> {
    try {
      const note = await addNote(text);
      setNotes((before) => [...before, note]);
      setProblem('');
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  }

  return (
    <SafeAreaView>
      <TextInput value={text} onChangeText={setText} accessibilityLabel="Note" />
      <Button title="Send sealed" onPress={() => void send()} />
      {notes.map(({ id, text: note }) => (
        <Text key={id}>{note}</Text>
      ))}
      <Text>{problem}</Text>
    </SafeAreaView>
  );
}
