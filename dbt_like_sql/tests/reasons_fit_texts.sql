-- tables: snapshot_papers, astro_ph_papers, general_papers
-- why: A used paper without text is an empty document; a text called empty is lost for nothing.
select id, excluded_because, text_sha256
from {{ this() }}
where (excluded_because is null and text_sha256 is null)
    or (excluded_because = 'empty_abstract' and text_sha256 is not null)
