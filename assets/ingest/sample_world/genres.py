"""The genres of the sample world and the words its invented names are made of.

Neighbours in `GENRES` are neighbours in taste, and the list is a ring (hardcore punk is next to doom metal):
who likes one genre is likely to like the next. Each word list is one string, words parted by `|`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Genre:
    """A genre and its vocabulary; a name is one pattern with one word of each of its two lists."""

    name: str
    acts: str
    act_first: str
    act_second: str
    titles: str
    title_first: str
    title_second: str


GENRES = (
    Genre(
        "doom metal",
        "{0} {1}|The {0} {1}",
        "Ashen|Sunken|Leaden|Umbral|Mourning|Withered|Obsidian|Tolling|Famished|Cavernous|Plague-Worn|Lightless",
        "Monolith|Procession|Colossus|Sepulchre|Behemoth|Ossuary|Oracle|Gallows|Pilgrim|Basilica|Dirge|Mausoleum",
        "{0} {1}|{1} of the {0}|Beneath the {0} {1}",
        "Slow|Burial|Last|Drowned|Iron|Starless|Weeping|Funeral|Ancient|Crawling|Black-Robed|Buried",
        "Hymn|Descent|Obelisk|Winter|Bell|Sacrament|Abyss|Tide|Ritual|Elegy|Shroud|Crown",
    ),
    Genre(
        "black metal",
        "{0}{1}|Order of {0}{1}",
        "Frost|Grim|Wolven|Raven|Skull|Night|Blight|Storm|Pale|Thorn|Hate|Vintr",
        "gard|moor|skog|fjell|throne|krig|heim|wrath|vark|dyrk|hymir|torn",
        "{0} {1}|{1} under a {0} Moon|The {0} {1}",
        "Frostbitten|Unholy|Northern|Blood-Red|Raging|Profane|Wintry|Infernal|Forgotten|Howling|Bitter|Freezing",
        "Forest|Blasphemy|Blizzard|Dominion|Wolves|Torches|Pact|Throne|Sacrilege|Mountains|Horde|Night Ride",
    ),
    Genre(
        "nordic folk",
        "{0} & {1}|{0} {1}lag",
        "Sigrún|Åsa|Torvald|Ingrid|Eirik|Sólveig|Gunnhild|Håkon|Ragnhild|Bjørn|Frøya|Einar",
        "Fjord|Birkeland|Spelemanns|Havn|Nordlys|Lyng|Sæter|Vinter|Hardanger|Måne|Elvedal|Skjær",
        "{0} fra {1}|{0} i {1}|{1}s {0}",
        "Vise|Springar|Halling|Brudeferd|Vuggesang|Polska|Kveld|Gjeterlåt|Lengsel|Båtsong|Runestev|Slått",
        "Ødegård|Lofoten|Vestland|Skog|Valdres|Sundet|Fjellet|Heimen|Tundra|Snøvær|Elv|Nordavind",
    ),
    Genre(
        "folk",
        "{0} {1}|{0} {1} & Company",
        "Wren|Marlowe|Isla|Jonah|Tamsin|Rowan|Clementine|Silas|Bryony|Callum|Hester|Ambrose",
        "Hollins|Fairweather|Thistlewood|Applegarth|Penrose|Lark|Whitlow|Bracken|Millbrook|Oakshott|Sedge|Hathersage",
        "The {0} {1}|{0} by the {1}|My {0} {1}",
        "Weaver's|Harvest|Willow|Parting|Lantern|Drovers'|Shepherd's|Wayward|Sparrow's|Hawthorn|Ferryman's|Gentle",
        "Daughter|Lament|River|Orchard|Road|Meadow|Lullaby|Mill|Letter|Hearth|Ballad|Gate",
    ),
    Genre(
        "bluegrass",
        "The {0} {1}|{0} {1} String Band",
        "Clinch|Laurel|Copperhead|Pine Knot|Possum|Dogwood|Hickory|Sourwood|Muddy Fork|"
        "Rattlesnake|Sassafras|Coal Creek",
        "Ramblers|Pickers|Hollow|Ridge Runners|Fiddlers|Cousins|Moonshiners|Gap|Brethren|Travelers|Porch|Junction",
        "{0} {1}|{1} on {0} Mountain|Old {0} {1}",
        "Whippoorwill|Cumberland|Lonesome|Banjo|Hound Dog|Railroad|Smoky|Buckeye|Clawhammer|Jubilee|Cornbread|Cabin",
        "Breakdown|Holler|Reel|Homeplace|Waltz|Special|Getaway|Rag|Fiddle|Farewell|Gallop|Morning",
    ),
    Genre(
        "delta blues",
        "{0} {1}|{0} {1} and His Guitar",
        "Blind Otis|Catfish|Mississippi Earl|Sleepy Amos|Papa Leroy|Tin Roof|Big Hattie|"
        "Crossroad|Mudfoot|Lame Willis|Sugarcane|Ol' Jasper",
        "Tuckett|Broussard|Hollis|Pettway|Graves|Delacroix|Coleridge|Mayhew|Stubbs|Gaines|Yarbrough|Cotter",
        "{0} {1} Blues|{1} Got My {0}|{0} at the {1}",
        "Levee|Whiskey|Boll Weevil|Penitentiary|Bottleneck|Freight|Dusty|Empty Bed|Catfish|"
        "Graveyard|High Water|Mean Old",
        "Woman|Devil|Train|Hellhound|Mule|Jailhouse|Moan|Pocket|Shack|Judgment|Highway|Mojo",
    ),
    Genre(
        "soul",
        "{0} {1}|{0} {1} & the Velvetones",
        "Delphine|Marcus|Loretta|Cornell|Ernestine|Solomon J.|Odessa|Percy Lee|Thelma|Clarence|Yvette|Reggie",
        "Braxley|Monroe-Hill|Fontaine|Goodwin|Devereaux|Pickford|Sweetwater|Tolliver|Bellamy|"
        "Marchand|Honeycutt|Sinclair-Jones",
        "{0} {1}|Baby, {0} {1}|Your {0} {1}",
        "Sweet|Tender|Everlasting|Satin|Beggin'|Precious|Heartfelt|Midnight|True|Honest|Golden|Burning",
        "Love|Promise|Kisses|Devotion|Goodbye|Touch|Feeling|Embrace|Teardrops|Tomorrow|Forgiveness|Lover",
    ),
    Genre(
        "disco",
        "{0} {1}|{0} {1} Orchestra",
        "Mirrorball|Satellite|Champagne|Velvet Rope|Studio Nine|Glitterbeat|Roller|Fantasia|"
        "Starlight|Cosmo|Spandex|Eldorado",
        "Express|Affair|Sisters|Sensation|Avenue|Machine|Fever Club|Playboys|Connection|Parade|Deluxe|Inferno",
        "{0} {1}|{1} ({0} Mix)|Do the {0} {1}",
        "Boogie|Saturday|Shimmer|Dancefloor|Hustle|Lipstick|Electric|Groovy|Platform|Glitter|Nonstop|Ecstasy",
        "Tonight|Fever|Lady|Rendezvous|Rhythm|Lights|Heat|Strut|Temptation|Freakout|Paradise|Party",
    ),
    Genre(
        "afrobeat",
        "{0} {1}|{0} & the {1} Band",
        "Adewale|Ogunlade|Kwabena|Folasade|Babatunde|Chief Olu|Yetunde|Sunny Ekow|Ayodele|Mama Efua|Jibola|Kofi Mensa",
        "Africa 79|Koola Stars|Lagos Horns|Egbe|Black Sun|Highlife|Kalakoro|Juju Nine|Makossa|"
        "Ibadan|Gold Coast|Oba Rhythm",
        "{0} {1}|{1} no be {0}|{0} ({1})",
        "Wahala|Palava|Suffer|Oga|Jeun|Yanga|Colonial|Go-Slow|Danfo|Market|Oyinbo|Trouble",
        "Soldier|Water|Chop Money|Government|Walka|Brother|Power|Teacher|Dance|Follow-Follow|Freedom|Traffic",
    ),
    Genre(
        "cumbia",
        "Los {0} del {1}|Sonora {0} {1}",
        "Gaiteros|Piratas|Alegres|Caimanes|Tropicales|Diablitos|Compadres|Pescadores|Reyes|Bárbaros|Gavilanes|Morenos",
        "Magdalena|Río Seco|Barrio Sur|Caribe|Valle|Mompox|Amazonas|Puerto Azul|Cafetal|Monte|Acordeón|Manglar",
        "La {0} de {1}|Cumbia {0} y {1}|{0} para {1}",
        "Palomita|Guacharaca|Morena|Sirena|Candela|Cosecha|Hamaca|Luna|Botella|Culebra|Tambora|Noche",
        "María|la Playa|Don Goyo|Amor|Barranquero|mi Pueblo|Rosalía|Carnaval|los Pobres|Aguardiente|la Comadre|Enero",
    ),
    Genre(
        "bossa nova",
        "{0} de {1}|Trio {0} {1}",
        "Luz|Brisa|Maré|Flor|Areia|Saudade|Sombra|Aurora|Rosa|Janela|Varanda|Cais",
        "Março|Abril|Outono|Laranjeiras|Domingo|Botafogo|Jasmim|Dezembro|Leblon|Coral|Cetim|Marfim",
        "{0} de {1}|{0} em {1}|Meu {0}, Minha {1}",
        "Samba|Beijo|Barquinho|Violão|Silêncio|Encontro|Domingo|Cantar|Sonho|Passeio|Olhar|Carinho",
        "Manhã|Garota|Chuva|Ipanema|Lua|Praia|Tristeza|Verão|Canção|Madrugada|Ternura|Solidão",
    ),
    Genre(
        "hard bop",
        "{0} {1} Quintet|The {0} {1} Trio",
        "Lucius|Thaddeus|Wendell|Hank|Booker|Sonny|Cedric|Ellsworth|Alonzo|Roland|Horatio|Clifton",
        "Prewitt|Mobberly|Garrison|Chambliss|Overstreet|Kilgore|Blakewell|Haddix|Dorsett|Winfrey|Pruitt|Carmody",
        "{0} {1}|{1} for {0}|{0}'s {1}",
        "Blue|Minor|Monday|Bird's-Eye|Sidewinding|Sister|Bowery|Nutville|Cool|Lenox|Crosstown|Uptown",
        "Walk|Changes|Stroll|Theme|Message|Blowout|Interlude|Bounce|Sermon|Strut|Riff|Shuffle",
    ),
    Genre(
        "chamber music",
        "{0} {1} Quartet|{0} {1} Ensemble",
        "Castellan|Vörös|Leopold|Arden|Salvini|Brunnthal|Lindenhof|Corvina|Marchetti|Esterline|Kamenov|Rosenau",
        "String|Piano|Baroque|Chamber|Wind|Sonata|Consort|Rococo|Viola|Salon|Serenata|Collegium",
        "{0} in {1}|{0} No. 3 in {1}|Andante from {0} in {1}",
        "Sonata|Partita|Nocturne|Quartet|Divertimento|Suite|Serenade|Fugue|Rondo|Impromptu|Trio|Sarabande",
        "D minor|E-flat major|A major|G minor|F major|B minor|C major|C-sharp minor|"
        "A-flat major|E minor|F-sharp major|B-flat major",
    ),
    Genre(
        "ambient",
        "{0} {1}|{0} for {1}",
        "Soft|Glacial|Tidal|Weightless|Distant|Halcyon|Lucent|Still|Aeolian|Vapour|Liminal|Dormant",
        "Airports (Closed)|Stations|Archive|Drift|Horizons|Cartography|Particles|Harbours|"
        "Weather|Gradients|Lakes|Satellites",
        "{0} {1}|{1}, {0}|{0} {1} (Long Version)",
        "Slow|Fading|Infinite|Hushed|Floating|Translucent|Submerged|Early|Suspended|Breathing|Faint|Evaporating",
        "Light|Mist|Horizon|Stillness|Rain Field|Dawn|Echoes|Moss|Signal|Snowfall|Silence|Tape",
    ),
    Genre(
        "techno",
        "{0}{1}|{0}-{1}",
        "Kolben|Raster|Stahl|Modul|Kontrol|Voltage|Sektor|Hertz|Beton|Turbin|Static|Impuls",
        "werk|form|system|loop|null|kreis|unit|phase|takt|drift|motor|grid",
        "{0} {1}|{1} 909 ({0})|{0} {1} (Warehouse Cut)",
        "Concrete|Acid|Modular|Pressure|Analog|Strobe|Hydraulic|Binary|Peak-Time|Subzero|Kinetic|Machine",
        "Function|Sequence|Bunker|Oscillator|Drive|Chamber|Circuit|Vector|Tunnel|Rotation|Assembly|Pulse",
    ),
    Genre(
        "drum and bass",
        "{0} {1}|DJ {0} {1}",
        "Razor|Jungle|Cipher|Amen|Darkside|Rinse|Neuro|Bassline|Subsonik|Hyper|Roughneck|Quantum",
        "Syndicate|Faction|Tactics|Theory|Kru|Fugitive|Vandal|Science|Division|Protocol|Menace|Recon",
        "{0} {1}|{1} VIP ({0})|{0} {1} Dub",
        "Rewind|Breakbeat|Liquid|Ruffneck|Reese|Skyline|Ragga|Stepper|Timestretch|Hardcore|Chopped|Rolling",
        "Terror|Pressure|Selecta|Mission|Warning|Soundclash|Rinse-Out|Sub|Assassin|Flight|Drop|Massive",
    ),
    Genre(
        "dub reggae",
        "{0} {1}|{0} {1} Hi-Fi",
        "Jah Nestor|Prince Lyle|Ras Ezra|Lion Gate|Zion Hill|Mikey Tafari|Nyah|Scientist Roy|"
        "Tuff Yard|Irie|Conquering|Sister Makeda",
        "Roots|Dubwise|All-Stars|Rockers|Soundsystem|Revolutionists|Steppers|Disciples|"
        "Upliftment|Riddim|Trinity|Children",
        "{0} {1}|{0} {1} Dub|{1} inna {0} Style",
        "Zion|Babylon|Rasta|Echo Chamber|Sensimilla|Kingston|Righteous|Lion|Ital|Nyabinghi|Rub-a-Dub|Roots",
        "Fire|Rockers|Version|Chant|Train|Judgement|Meditation|Skank|Burning|Gates|Warrior|Uprising",
    ),
    Genre(
        "boom bap",
        "{0} {1}|{0} & {1}",
        "MC Verbatim|Grimy Lex|Professor Ink|Dusty Crates|Big Syntax|Sage Marcy|Kid Corduroy|"
        "Stoop|Lord Cadence|Rhyme Bureau|Mic Sterling|Ill Notary",
        "the Alchemics|Borough|Loose Leaf|Cypher Squad|Ghostwriters|Blunt Pencil|Wax Doctors|"
        "Fifth Platoon|Chess Club|Sound Bwoy|Subway Saints|Elevator Ops",
        "{0} {1}|{1} ({0})|{0} {1}, Pt. 1",
        "Concrete|Subway|Brownstone|Raw|Boombap|Corner Store|Street|Turntable|Payphone|Lyrical|Project|Crate-Diggin'",
        "Scriptures|Hustle|Cypher|Flow|Stories|Hymnal|Verses|Chess Moves|Blueprint|Anthem|Science|Philosophy",
    ),
    Genre(
        "synthwave",
        "{0} {1}|{0} {1} '84",
        "Neon|Laser|Turbo|Chrome|VHS|Miami|Cyber|Nightcall|Outrun|Vector|Magenta|Arcade",
        "Cobra|Drive|Phantom|Mirage|Horizon Six|Vice Squad|Afterburner|Cassette|Highwayman|Protector|Rider|Replicant",
        "{0} {1}|{1} at {0} Speed|{0} {1} 1986",
        "Midnight|Sunset|Digital|Hologram|Palm|Overdrive|Electric|Retrograde|Laser-Lit|Pixel|Starfighter|Neon",
        "Boulevard|Chase|Skyline|Dreams|Pursuit|Memories|Grid|Run|Cruiser|Mainframe|Afterglow|Escape",
    ),
    Genre(
        "city pop",
        "{0} {1}|{0} {1} Club",
        "Harumi|Kenji|Yōko|Mariko|Ryūichi|Tatsuo|Midori|Shōta|Akina-Rei|Naoko|Jun'ichi|Sayuri",
        "Aozora|Hoshikawa|Minatoya|Tsukishima|Kazehaya|Shirahama|Yoruno|Kirameki|Namikaze|Amagasa|Hanazono|Kaigan",
        "{0} no {1}|{0} {1}|Goodbye {0} {1}",
        "Yoru|Natsu|Tōkyō|Hoshi|Ame|Umi|Kaze|Yūyake|Doyōbi|Kōri|Mayonaka|Kokoro",
        "Drive|Telephone|Melody|Highway|Serenade|Cocktail|Door|Magic|Machi|Resort|Koi|Romance",
    ),
    Genre(
        "indie pop",
        "{0} {1}|The {0} {1}",
        "Paper|Cardigan|Lemonade|Polaroid|Picnic|Postcard|Sunday|Marmalade|Bicycle|Daydream|Sherbet|Mitten",
        "Kites|Swans|Librarians|Blankets|Comets|Penpals|Umbrellas|Sparrows|Teacups|Corners|Weekenders|Foxes",
        "{0} {1}|{1} in {0}|Our {0} {1}",
        "Summer|Awkward|Tiny|Cherry|Yellow|Secondhand|Mixtape|Suburban|Shy|Rooftop|Holiday|Crooked",
        "Crush|Haircut|Sweater|Bedroom|Bus Stop|Valentines|Swimming|Birthday|Scrapbook|Sidewalk|Telegram|Garden",
    ),
    Genre(
        "shoegaze",
        "{0}{1}|{0}{1} Days",
        "Velour|Blur|Swirl|Halo|Violet|Plume|Dissolv|Petal|Opal|Sugar|Hush|Feather",
        "haze|drift|veil|bloom|dive|tone|wash|fall|swoon|spell|chrome|light",
        "{0} {1}|{1} (in {0})|When the {0} {1}",
        "Blurred|Honeyed|Vapor|Kaleidoscope|Sleepless|Violet|Pillow|Aching|Feathered|Dissolving|Opaline|Tremolo",
        "Haze|Swoon|Feedback|Undertow|Petals|Blush|Cascade|Vertigo|Reverie|Glimmer|Sway|Bloom",
    ),
    Genre(
        "post-rock",
        "{0} of {1}|{0} above {1}",
        "Cartographers|Lighthouses|Avalanches|Aviators|Telescopes|Astronomers|Signal Fires|"
        "Glaciers|Cranes|Pylons|Aerials|Embers",
        "the Silent Valley|an Ending|Kiruna|the Observatory|Quiet Cities|the Estuary|"
        "Station 12|the Tundra|Leningrad Sky|the Dam|Winter Coasts|the Power Lines",
        "{0} {1}|{0} {1} (Epilogue)|{0} {1}, Part I",
        "Maps for|Goodbye to|Seventeen Days of|Memorial for|Waiting for|A Letter to|"
        "Lightning over|Asleep under|Songs for|Far from|Nothing but|The Weight of",
        "the Cosmonaut|Falling Snow|the Lighthouse|the Engineers|Daylight|Distant Fires|"
        "the Orbit|Mountain Weather|the Shipwreck|Our Ruin|the Horizon|Satellites",
    ),
    Genre(
        "surf rock",
        "The {0} {1}|{0} {1} Combo",
        "Tiki|Reverb|Woodie|Hang-Ten|Malibu|Barracuda|Pipeliner|Coconut|Lagoon|Riptide|Longboard|Waikiki",
        "Beachcombers|Sharks|Wipeouts|Torpedoes|Bikinis|Hot Rods|Mai Tais|Castaways|Sandpipers|"
        "Marlins|Daddy-Os|Breakers",
        "{0} {1}|{1} at {0} Beach|{0} {1} Twist",
        "Surfin'|Bonzai|Sandy|Big Wave|Makaha|Shark Bite|Hula|Daytona|Kahuna|Cowabunga|Sunburn|Spy",
        "Stomp|Safari|Lagoon|Rumble|Bomp|Wipeout|Ride|Luau|Crusher|Hootenanny|Tide|Drag",
    ),
    Genre(
        "hardcore punk",
        "{0} {1}|The {0} {1}",
        "Riot|Dead|Broken|Spit|Gutter|Molotov|Curb|Teenage|Toxic|Nail|Rat|Brick",
        "Ration|Verdict|Squatters|Stitches|Alarm|Bastards|Landlord|Curfew|Bruise|Eviction|Dropout|Bomb Squad",
        "{0} {1}|{1}? {0}!|No {0} {1}",
        "Smash|Burn|Curse|Police|Fake|Rotten|Wasted|Broke|Angry|Torch|Boring|Choke",
        "System|Rent|Nation|Authority|Youth|Suburbs|Boss|Lies|Television|Idiots|Draft|Control",
    ),
)
