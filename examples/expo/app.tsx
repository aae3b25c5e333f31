// One screen: the notes that the API keeps, fetched anew when the list is pulled down.
import { useCallback, useEffect, useState } from 'react';
import { FlatList, RefreshControl, Text } from 'react-native';
import { listNotes, type Note } from './notes.ts';

export function App() {
  const [notes, setNotes] = useState<readonly Note[]>([]);
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);

  const refresh = useCallback(() => {
    setBusy(true);
    setProblem('');
    listNotes()
      .then(setNotes, (error: Error) => setProblem(error.message))
      .finally(() => setBusy(false));
  }, []);
  useEffect(refresh, [refresh]);

  return (
    <FlatList
      data={notes}
      keyExtractor={({ id }) => `${id}`}
      renderItem={({ item }) => <Text>{item.text}</Text>}
      ListHeaderComponent={<Text>{problem || 'Notes, sealed'}</Text>}
      refreshControl={<RefreshControl refreshing={busy} onRefresh={refresh} />}
    />
  );
}
